// Package jwks has the keys of an OpenID provider, or of any server that publishes a JWK set (RFC
// 7517), for middleware.JWT.
//
//	keys, err := jwks.New(ctx, jwks.Config{Issuer: "https://id.example.com"})
//	if err != nil {
//		return err // a mistake in the configuration; no network was asked
//	}
//	users := middleware.MustJWT(middleware.JWTConfig[AppClaims]{
//		Keys: keys, Methods: []string{"ES256"},
//		Issuer: "https://id.example.com", Audience: []string{"chat"},
//	})
//
// The set is fetched in the background: at once, again after [Config.Refresh], and with growing
// pauses as long as that fails. A key that is there costs no request. An unknown key id makes the
// set be fetched once more, for all who wait for it together, and not more often than
// [Config.Cooldown], since anybody can make up key ids.
//
// A handshake whose key cannot be had gets 503 keys_unavailable, and its client keeps its token:
// while the set was never fetched, or has no keys, and for an unknown key when fetching the set
// again failed. A key that is not in a set that was just fetched is a bad token, 401. What was
// fetched stays good while the server is down.
//
// Parsing and choosing keys is done by github.com/MicahParks/keyfunc.
package jwks
