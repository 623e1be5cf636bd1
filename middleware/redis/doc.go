// Package fleet makes the policies of package middleware hold across servers, on Redis: how often
// somebody may come, how many connections somebody has, who is banned, whether there is
// maintenance, which tickets were used.
//
// It lies in a module of its own, middleware/redis, and is named for what it is, so that it can
// stand beside go-redis:
//
//	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addrs, ContextTimeoutEnabled: true})
//	servers, err := fleet.New(client, fleet.Config{Upgraders: []*upgrade.Upgrader{up}})
//	...
//	r.Use(
//		ws.Use(servers.Switch().Maintenance()),
//		ws.RateLimit(middleware.RateLimitConfig{Rate: middleware.PerMinute(20), Limiter: servers.Limiter()}),
//		ws.Use(users),
//		ws.Use(servers.Revocations()),
//		ws.Seats(middleware.SeatsConfig{Max: 3, Key: middleware.BySubject, Store: servers.Seats()}),
//	)
//	...
//	err = servers.Revoke(ctx, policy.Close(codes.Forbidden, "banned"), 24*time.Hour, policy.Tag{Key: "user", Value: id})
//
// It runs on Redis 6.2 and later and on Valkey: a single node, Sentinel or a Cluster. No clock but
// Redis's is used to compare moments of different servers. docs/fleet.md says what is exact, what
// is eventual, and what is stored for how long.
//
// # When Redis is slow or gone
//
// No handshake waits longer than [Config.Timeout]. After some failures in a row nobody asks any
// more, but for one request now and then that finds out whether Redis is back; the others get
// [ErrUnavailable] at once, and the policies do what their OnFailure says. [Revocations] and
// [Switch] answer from memory, without a round trip, always.
package fleet
