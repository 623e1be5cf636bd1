package middleware

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/wsverdict/wsverdict/policy"
)

// A Carrier is a handle whose knowledge of a request can travel in a ticket ([TicketsConfig.Carry]),
// as JSON: a [JWT], an [APIKeys], or what [CarryValue] returns. Fields that encoding/json leaves out
// do not travel.
type Carrier interface {
	// carry returns what the handle knows of r. ok is false where its policy did not admit r.
	carry(r *http.Request) (data []byte, ok bool, err error)

	// bring has v bring what carry returned, as the policy itself would. An error may be a denying
	// Verdict.
	bring(ctx context.Context, v policy.Verdict, data []byte) (policy.Verdict, error)

	// owner is who owns the expiries that bring brings, nil for nobody.
	owner() any

	// kind is the same for handles that can read what the other wrote, and mean it.
	kind() string
}

// kinds is a short text that differs where carriers do. Nil is somebody else's mistake.
func kinds(carriers []Carrier) string {
	if len(carriers) == 0 {
		return ""
	}
	hash := sha256.New()
	for _, c := range carriers {
		if c != nil {
			fmt.Fprintf(hash, "%q", c.kind())
		}
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:9])
}

func (j *JWT[C]) carry(r *http.Request) (data []byte, ok bool, err error) {
	claims, ok := j.Claims(r)
	if !ok {
		return nil, false, nil
	}
	data, err = json.Marshal(claims)
	return data, true, err
}

// bring asks again whether the token was revoked: a ticket is no way around that.
func (j *JWT[C]) bring(ctx context.Context, v policy.Verdict, data []byte) (policy.Verdict, error) {
	claims := new(C)
	if err := json.Unmarshal(data, claims); err != nil {
		return v, err
	}
	if exp, err := j.asClaims(claims).GetExpirationTime(); err == nil && exp != nil && !time.Now().Before(exp.Add(j.config.Leeway)) {
		return v, j.answers.expired.WithCause(errTicketOld)
	}
	if denied := j.checkRevoked(ctx, claims); !denied.Allowed() {
		return v, denied
	}
	return j.admit(v, claims), nil
}

func (j *JWT[C]) owner() any { return claimsKey[C]{j} }

func (j *JWT[C]) kind() string {
	return fmt.Sprintf("jwt %v %q %q", reflect.TypeFor[C](), j.config.Issuer, j.config.Audience)
}

func (a *APIKeys[T]) carry(r *http.Request) (data []byte, ok bool, err error) {
	return valueCarrier[T]{apiKeyOf[T]{a}, true}.carry(r)
}

func (a *APIKeys[T]) bring(ctx context.Context, v policy.Verdict, data []byte) (policy.Verdict, error) {
	return valueCarrier[T]{apiKeyOf[T]{a}, true}.bring(ctx, v, data)
}

func (a *APIKeys[T]) owner() any { return nil } // nobody renews an API key: its expiry is the ticket's

func (a *APIKeys[T]) kind() string { return fmt.Sprintf("api key %v", reflect.TypeFor[T]()) }

// CarryValue carries what a policy of your own brought with [policy.Verdict.WithValue] under key, a T.
// Like WithValue it panics if key is nil or does not compare.
func CarryValue[T any](key any) Carrier {
	policy.Allow().WithValue(key, nil)
	return valueCarrier[T]{key, false}
}

type valueCarrier[T any] struct {
	key     any
	pointer bool // the value is a *T
}

func (c valueCarrier[T]) carry(r *http.Request) (data []byte, ok bool, err error) {
	value := r.Context().Value(c.key)
	if c.pointer {
		_, ok = value.(*T)
	} else {
		_, ok = value.(T)
	}
	if !ok {
		return nil, false, nil
	}
	data, err = json.Marshal(value)
	return data, true, err
}

func (c valueCarrier[T]) bring(_ context.Context, v policy.Verdict, data []byte) (policy.Verdict, error) {
	value := new(T)
	if err := json.Unmarshal(data, value); err != nil {
		return v, err
	}
	if c.pointer {
		return v.WithValue(c.key, value), nil
	}
	return v.WithValue(c.key, *value), nil
}

func (c valueCarrier[T]) owner() any { return nil }

func (c valueCarrier[T]) kind() string {
	return fmt.Sprintf("value %T %v", c.key, reflect.TypeFor[T]())
}
