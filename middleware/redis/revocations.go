package fleet

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// Revocations is what was said with [Fleet.Revoke], in memory: asking costs no round trip. It is a
// policy of its own, by subject ([Revocations.Judge]) or by whatever tags a request stands for
// ([Revocations.By]), and a hook for others, such as JWTConfig.Revoked:
//
//	Revoked: func(_ context.Context, c Claims) (bool, error) {
//		return servers.Revocations().Revoked(policy.Tag{Key: "jti", Value: c.ID})
//	}
//
// It is safe for concurrent use.
type Revocations struct {
	fleet *Fleet

	mu    sync.RWMutex
	by    map[policy.Tag][]*revocation // by each one's first tag
	n     int
	sweep time.Time // when those that are over are removed next
}

type revocation struct {
	tags    []policy.Tag // all of which it takes, in order
	verdict policy.Verdict
	until   time.Time
}

// ErrNotReady says that this process has not caught up with what was revoked, or that
// [Config.MaxSilence] has passed.
var ErrNotReady = errors.New("fleet: what is revoked is not known")

func (r *Revocations) init(f *Fleet) {
	r.fleet, r.by = f, map[policy.Tag][]*revocation{}
}

var notReady = policy.Close(codes.ServiceUnavailable, "revocation_unavailable").
	WithDetail("Access cannot be checked at the moment.").WithCause(ErrNotReady)

// Judge denies the subject of a request ([policy.Subject]) that was revoked by the tag
// {[Config.SubjectTag], subject}, with the verdict of the revocation; mount it behind the policy
// that finds out the subject. Whoever has none is allowed. An allow brings the tag along, so that a
// later revocation finds the connection.
func (r *Revocations) Judge(req *http.Request) policy.Verdict {
	subject, ok := policy.Subject(req)
	if !ok {
		return policy.Allow()
	}
	return r.judge(policy.Tag{Key: r.fleet.cfg.SubjectTag, Value: subject})
}

// Name is "revocations".
func (r *Revocations) Name() string { return "revocations" }

// By is a policy that denies who was revoked by some or all of the tags that f returns for a
// request, and brings these tags along. f is called concurrently.
func (r *Revocations) By(f func(*http.Request) []policy.Tag) policy.Policy {
	return revocationsBy{r, f}
}

type revocationsBy struct {
	of   *Revocations
	tags func(*http.Request) []policy.Tag
}

func (b revocationsBy) Judge(r *http.Request) policy.Verdict { return b.of.judge(b.tags(r)...) }
func (b revocationsBy) Name() string                         { return b.of.Name() }

func (r *Revocations) judge(tags ...policy.Tag) policy.Verdict {
	v, revoked, err := r.Find(tags...)
	switch {
	case revoked:
		return v
	case err != nil && !r.fleet.cfg.InsecureAllowUntilReady:
		return notReady
	}
	v = policy.Allow()
	for _, tag := range tags {
		v = v.WithTag(tag.Key, tag.Value)
	}
	return v
}

// Revoked reports whether somebody with these tags is revoked. The error is [ErrNotReady], unless
// [Config.InsecureAllowUntilReady] is set.
func (r *Revocations) Revoked(tags ...policy.Tag) (bool, error) {
	_, revoked, err := r.Find(tags...)
	if r.fleet.cfg.InsecureAllowUntilReady {
		err = nil
	}
	return revoked, err
}

// Find returns the verdict of a revocation that somebody with these tags falls under: one all of
// whose tags are among them. The error is [ErrNotReady]: there may be one that is not known here.
func (r *Revocations) Find(tags ...policy.Tag) (v policy.Verdict, revoked bool, err error) {
	now := time.Now()
	r.mu.RLock()
	for _, tag := range tags {
		for _, known := range r.by[tag] {
			if known.covers(tags) && now.Before(known.until) {
				v, revoked = known.verdict, true
			}
		}
	}
	r.mu.RUnlock()
	if !revoked && !r.current() {
		err = ErrNotReady
	}
	return v, revoked, err
}

func (r *Revocations) current() bool {
	most, s := r.fleet.cfg.MaxSilence, &r.fleet.stream
	return s.isReady() && (most == 0 || s.silence() <= most)
}

func (r *revocation) covers(tags []policy.Tag) bool {
	for _, tag := range r.tags {
		if !slices.Contains(tags, tag) {
			return false
		}
	}
	return true
}

func (r *Revocations) add(e entry, until time.Time) {
	v, _ := e.denial()
	tags := inOrder(e.Tags)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(tags)
	r.by[tags[0]] = append(r.by[tags[0]], &revocation{tags, v, until})
	r.n++
	if now := time.Now(); now.After(r.sweep) {
		r.sweep = now.Add(time.Minute)
		for tag, list := range r.by {
			r.keep(tag, list, func(k *revocation) bool { return now.Before(k.until) })
		}
	}
}

func (r *Revocations) lift(tags []policy.Tag) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(inOrder(tags))
}

func (r *Revocations) remove(tags []policy.Tag) {
	r.keep(tags[0], r.by[tags[0]], func(k *revocation) bool { return !slices.Equal(k.tags, tags) })
}

func (r *Revocations) keep(tag policy.Tag, list []*revocation, stays func(*revocation) bool) {
	kept := slices.DeleteFunc(list, func(k *revocation) bool { return !stays(k) })
	r.n -= len(list) - len(kept)
	if len(kept) == 0 {
		delete(r.by, tag)
	} else {
		r.by[tag] = kept
	}
}

func (r *Revocations) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.n
}

// inOrder makes equal sets of tags equal.
func inOrder(tags []policy.Tag) []policy.Tag {
	tags = slices.Clone(tags)
	slices.SortFunc(tags, compareTags)
	return slices.Compact(tags)
}

func compareTags(a, b policy.Tag) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Value, b.Value))
}
