package fleet

import (
	"errors"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A sentVerdict is a denial as it travels. Its cause stays where it is: it is for the logs of the
// server that knows it.
type sentVerdict struct {
	Code   codes.Code  `json:"code"`
	Hidden bool        `json:"hidden,omitzero"`
	Reason string      `json:"reason"`          // "banned;do=stop", as a close frame has it
	Status int         `json:"status,omitzero"` // of an application's own code
	Detail string      `json:"detail,omitzero"`
	Header [][2]string `json:"header,omitzero"`
}

func sent(v policy.Verdict) *sentVerdict {
	s := &sentVerdict{Code: v.Code(), Hidden: v.Hidden(), Reason: v.Reason().String()}
	if _, mirrors := v.Code().Status(); !mirrors {
		s.Status = v.Status()
	}
	if detail := v.Detail(); detail != v.Code().Text() {
		s.Detail = detail
	}
	for name, value := range v.Header() {
		s.Header = append(s.Header, [2]string{name, value})
	}
	return s
}

var errVerdict = errors.New("the verdict is not one")

// verdict never panics, whatever arrived.
func (s *sentVerdict) verdict() (policy.Verdict, error) {
	if s == nil || !s.Code.Valid() {
		return policy.Verdict{}, errVerdict
	}
	reason, ok := codes.ParseReason(s.Reason)
	if !ok {
		return policy.Verdict{}, errVerdict
	}
	v := policy.Close(s.Code, reason.Slug()).WithAction(reason.Action()).WithAfter(reason.After())
	if s.Hidden {
		v = v.Hide()
	}
	if s.Status != 0 {
		mirrored, mirrors := s.Code.Status()
		if _, ok := codes.FromStatus(s.Status); !ok || mirrors && mirrored != s.Status {
			return policy.Verdict{}, errVerdict
		}
		v = v.WithStatus(s.Status)
	}
	if s.Detail != "" {
		v = v.WithDetail(s.Detail)
	}
	for _, field := range s.Header {
		if field[0] == "" {
			return policy.Verdict{}, errVerdict
		}
		v = v.WithHeader(field[0], field[1])
	}
	return v, nil
}

// milliseconds is how durations travel, rounded up.
func milliseconds(d time.Duration) int64 {
	return int64((max(0, d) + time.Millisecond - 1) / time.Millisecond)
}
