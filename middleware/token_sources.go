package middleware

import (
	"errors"
	"iter"
	"net/http"

	"github.com/golang-jwt/jwt/v5/request"

	"github.com/wsverdict/wsverdict/policy"
)

// TokenSources are places where a token can be. A policy of your own that takes tokens embeds them:
// so what is to be checked when it is mounted, the marker of [Subprotocol], is checked.
//
//	type apiKeys struct {
//		middleware.TokenSources
//		known map[string]bool
//	}
//
//	func (k apiKeys) Judge(r *http.Request) policy.Verdict {
//		key, err := k.ExtractToken(r)
//		…
type TokenSources []request.Extractor

// ExtractToken asks the sources in order; the first that has a token counts, and so does an error
// that a source has. request.ErrNoTokenInRequest says that none has one. It is a request.Extractor.
func (s TokenSources) ExtractToken(r *http.Request) (string, error) {
	for _, e := range s {
		token, err := e.ExtractToken(r)
		if err != nil && !errors.Is(err, request.ErrNoTokenInRequest) {
			return "", err
		}
		if token != "" {
			return token, nil
		}
	}
	return "", request.ErrNoTokenInRequest
}

func isNoToken(err error) bool { return errors.Is(err, request.ErrNoTokenInRequest) }

// CheckMount asks the sources that care where they are mounted, also those inside golang-jwt's
// combinations.
func (s TokenSources) CheckMount(m policy.Mounting) error {
	var errs []error
	for _, e := range s {
		for e := range inside(e) {
			if _, again := e.(TokenSources); again {
				continue
			}
			if c, ok := e.(policy.MountChecker); ok {
				errs = append(errs, c.CheckMount(m))
			}
		}
	}
	return errors.Join(errs...)
}

// inside yields e, and what golang-jwt's combinations (request.OAuth2Extractor is one) have in them.
func inside(e request.Extractor) iter.Seq[request.Extractor] {
	return func(yield func(request.Extractor) bool) { each(e, yield) }
}

func each(e request.Extractor, yield func(request.Extractor) bool) bool {
	if !yield(e) {
		return false
	}
	var of []request.Extractor
	switch e := e.(type) {
	case TokenSources:
		of = e
	case request.MultiExtractor:
		of = e
	case *request.MultiExtractor:
		if e != nil {
			of = *e
		}
	case *request.PostExtractionFilter:
		if e != nil {
			of = []request.Extractor{e.Extractor}
		}
	}
	for _, e := range of {
		if !each(e, yield) {
			return false
		}
	}
	return true
}

// checkExtractor finds extractors that cannot work in front of an upgrade.
func checkExtractor(e request.Extractor, wrong *mistakes) {
	for e := range inside(e) {
		switch e := e.(type) {
		case nil:
			wrong.add("From: an extractor is nil")
		case subprotocol:
			if err := checkName("Subprotocol", string(e)); err != nil {
				wrong.add("From: %w", err)
			}
		case cookie:
			if err := checkName("Cookie", string(e)); err != nil {
				wrong.add("From: %w", err)
			}
		case query:
			if e == "" {
				wrong.add("From: Query: the name is empty")
			}
		case request.ArgumentExtractor, *request.ArgumentExtractor:
			wrong.add("From: request.ArgumentExtractor reads the body, which a handshake must not have; use middleware.Query")
		}
	}
}
