package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/MicahParks/jwkset"
)

// maxBody is more than any provider's metadata or keys.
const maxBody = 1 << 20

// fetch asks the server. Keys that are of no use here are left out (RFC 7517 §5): of a kind that
// jwkset does not know, private or symmetric ones, and those for encryption.
func (k *Keys) fetch(ctx context.Context) (raw []byte, set []jwkset.JWK, err error) {
	url := k.cfg.URL
	if url == "" {
		if url, err = k.discover(ctx); err != nil {
			return nil, nil, err
		}
	}
	raw, err = k.get(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	var all struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, nil, fmt.Errorf("jwks: %s: %w", url, err)
	}
	if all.Keys == nil {
		return nil, nil, fmt.Errorf("jwks: %s is no JWK set: it has no keys member", url)
	}
	set = []jwkset.JWK{}
	for _, each := range *all.Keys {
		key, err := jwkset.NewJWKFromRawJSON(each, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err == nil && key.Marshal().USE != jwkset.UseEnc {
			set = append(set, key)
		}
	}
	return raw, set, nil
}

// discover returns where the issuer says that its keys are (OpenID Connect Discovery 1.0 §4).
func (k *Keys) discover(ctx context.Context) (string, error) {
	url := strings.TrimSuffix(k.cfg.Issuer, "/") + "/.well-known/openid-configuration"
	body, err := k.get(ctx, url)
	if err != nil {
		return "", err
	}
	var metadata struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	switch err := json.Unmarshal(body, &metadata); {
	case err != nil:
		return "", fmt.Errorf("jwks: %s: %w", url, err)
	case metadata.Issuer != k.cfg.Issuer: // §4.3: it must be exactly this
		return "", fmt.Errorf("jwks: %s is about the issuer %q, not %q", url, metadata.Issuer, k.cfg.Issuer)
	}
	if err := k.cfg.checkURL(metadata.Keys); err != nil {
		return "", fmt.Errorf("jwks: %s: jwks_uri: %w", url, err)
	}
	return metadata.Keys, nil
}

func (k *Keys) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := k.cfg.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks: %s answered %s", url, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("jwks: the answer is too long")
	}
	return body, err
}
