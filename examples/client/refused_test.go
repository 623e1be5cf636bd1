package client

import (
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

var banned = policy.Func(func(*http.Request) policy.Verdict { return policy.Close(codes.Forbidden, "banned") })

// A page that offers the marker sees a refusal at open, then the code, clean. An admission never looks like one.
func TestRefusalIsVisibleAtOpen(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		for _, tc := range []struct {
			name      string
			protocols []string
			policies  []policy.Policy
			opened    string
			code      int
			reason    string
		}{
			{"refused", []string{"chat.v1", "wsverdict.refused"}, []policy.Policy{banned}, "wsverdict.refused", 4403, "banned;do=stop"},
			{"refused, with nothing else to offer", []string{"wsverdict.v1", "wsverdict.refused"}, []policy.Policy{banned}, "wsverdict.refused", 4403, "banned;do=stop"},
			{"refused, not offered", []string{"chat.v1"}, []policy.Policy{banned}, "chat.v1", 4403, "banned;do=stop"},
			{"admitted", []string{"chat.v1", "wsverdict.refused"}, nil, "chat.v1", 1005, ""},
			{"admitted, the marker first", []string{"wsverdict.refused", "chat.v1"}, nil, "chat.v1", 1005, ""},
			{"admitted, with nothing else to offer", []string{"wsverdict.v1", "wsverdict.refused"}, nil, "wsverdict.v1", 1005, ""},
			{"nothing in common", []string{"other.v1", "wsverdict.refused"}, nil, "wsverdict.refused", 4406, "no_common_subprotocol;do=stop"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				s := newSite(t, b, "", tc.policies...)
				b.start(t, "bare", map[string]any{"url": s.url(), "protocols": tc.protocols})
				var got struct {
					Opened   *string
					Code     int
					Reason   string
					WasClean bool
				}
				b.await(t, "done", &got)
				if got.Opened == nil || *got.Opened != tc.opened {
					t.Errorf("at open the protocol was %q, want %q", deref(got.Opened), tc.opened)
				}
				if got.Code != tc.code || got.Reason != tc.reason || !got.WasClean {
					t.Errorf("closed with %d %q, clean: %v; want %d %q, clean", got.Code, got.Reason, got.WasClean, tc.code, tc.reason)
				}
			})
		}
	})
}

func deref(s *string) string {
	if s == nil {
		return "no open"
	}
	return *s
}

// Nothing that was queued goes into a refused socket, open does not fire for it, and ready rejects with the outcome.
func TestNothingGoesIntoARefusal(t *testing.T) {
	inBrowsers(t, func(t *testing.T, b *browser) {
		type sent struct{ Protocol, Data string }
		var got struct {
			Ready   string
			Refused *bool
			Opens   int
			Sent    []sent
			Lost    []string
		}
		for _, options := range []map[string]any{nil, {"protocols": []string{}, "marker": true}} {
			s := newSite(t, b, "", banned)
			b.start(t, "queue", map[string]any{"url": s.url(), "options": options})
			b.await(t, "done", &got)
			if got.Ready != "banned" || got.Refused == nil || !*got.Refused || got.Opens != 0 {
				t.Errorf("refused: ready rejected with %q, refused %v, opened %d times", got.Ready, got.Refused, got.Opens)
			}
			if len(got.Sent) != 0 || len(got.Lost) != 1 || got.Lost[0] != "queued" {
				t.Errorf("refused: sent %v, told as lost %v", got.Sent, got.Lost)
			}

			s = newSite(t, b, "")
			b.start(t, "queue", map[string]any{"url": s.url(), "options": options})
			b.await(t, "done", &got)
			want := sent{"chat.v1", "queued"}
			if options != nil {
				want.Protocol = "wsverdict.v1"
			}
			if got.Ready != "open" || got.Opens != 1 || len(got.Sent) != 1 || got.Sent[0] != want {
				t.Errorf("admitted: ready %q, opened %d times, sent %v, want %v", got.Ready, got.Opens, got.Sent, want)
			}
		}
	})
}
