package jwks

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Config says where keys are. Give Issuer or URL.
type Config struct {
	// Issuer is an OpenID provider's, as it stands in the iss claim: its metadata says where the
	// keys are (OpenID Connect Discovery 1.0 §4).
	Issuer string

	// URL is that of the JWK set itself.
	URL string

	// Refresh is how often the set is fetched again. A key that was withdrawn is good for that
	// long. 0 means 15 minutes.
	Refresh time.Duration

	// Cooldown is the least time between two fetches that unknown key ids cause; after one that
	// failed it is a tenth of that. 0 means 10 seconds.
	Cooldown time.Duration

	// Timeout bounds one fetch. 0 means 5 seconds. How long a handshake waits is
	// middleware.JWTConfig.Timeout.
	Timeout time.Duration

	// Client sends the requests. nil means one of its own, which follows no redirect from https to
	// anything else.
	Client *http.Client

	// OnError, if given, is told of every fetch that failed, on the goroutine that fetched.
	OnError func(error)

	// InsecureHTTP allows http: URLs of other hosts than the loopback: who sits on the way chooses
	// the keys.
	InsecureHTTP bool
}

func (cfg *Config) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("jwks: "+format, args...)) }
	switch {
	case cfg.Issuer == "" && cfg.URL == "":
		wrong("Issuer or URL is required")
	case cfg.Issuer != "" && cfg.URL != "":
		wrong("Issuer and URL are both given: the issuer's metadata has the URL")
	}
	if cfg.Issuer != "" {
		if err := cfg.checkURL(cfg.Issuer); err != nil {
			wrong("Issuer: %w", err)
		} else if strings.ContainsAny(cfg.Issuer, "?#") {
			wrong("Issuer %q: want no query and no fragment (OpenID Connect Discovery 1.0 §2)", cfg.Issuer)
		}
	}
	if cfg.URL != "" {
		if err := cfg.checkURL(cfg.URL); err != nil {
			wrong("URL: %w", err)
		}
	}
	for name, d := range map[string]time.Duration{"Refresh": cfg.Refresh, "Cooldown": cfg.Cooldown, "Timeout": cfg.Timeout} {
		if d < 0 {
			wrong("%s is negative", name)
		}
	}
	return errors.Join(errs...)
}

// checkURL is also asked about the URL in an issuer's metadata.
func (cfg *Config) checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return err
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q: want https://host…", text)
	case u.Scheme == "http" && !cfg.InsecureHTTP && !loopback(u.Hostname()):
		return fmt.Errorf("%q: who sits on the way chooses the keys; want https", text)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (cfg *Config) defaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&cfg.Refresh, 15 * time.Minute}, {&cfg.Cooldown, 10 * time.Second}, {&cfg.Timeout, 5 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{CheckRedirect: sameScheme}
	}
}

// sameScheme follows few redirects, and none from https to http.
func sameScheme(to *http.Request, via []*http.Request) error {
	if len(via) >= 3 || via[0].URL.Scheme != to.URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}
