package codes_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
)

func TestCatalogIsInOrderAndFound(t *testing.T) {
	catalog := codes.Catalog()
	if !slices.IsSortedFunc(catalog, func(a, b codes.Entry) int { return int(a.Code) - int(b.Code) }) {
		t.Fatal("the catalog is not in ascending order: codes would not be found in it")
	}
	for _, e := range catalog {
		if got := e.Code.Action(); got != e.Action || got == 0 {
			t.Errorf("%d: Action() = %s, the catalog says %s", e.Code, got, e.Action)
		}
		if got := e.Code.Name(); got != e.Name {
			t.Errorf("%d: Name() = %q, the catalog says %q", e.Code, got, e.Name)
		}
		if got := e.Code.Text(); got != e.Text {
			t.Errorf("%d: Text() = %q, the catalog says %q", e.Code, got, e.Text)
		}
		if got, _ := e.Code.Status(); got != e.Status {
			t.Errorf("%d: Status() = %d, the catalog says %d", e.Code, got, e.Status)
		}
		if !strings.HasSuffix(e.Text, ".") {
			t.Errorf("%d: %q is no sentence", e.Code, e.Text)
		}
	}
}

// What a client should do is part of the protocol: a default that changes changes what deployed clients do.
func TestCatalogActions(t *testing.T) {
	want := map[codes.Code]codes.Action{
		codes.BadRequest:                 codes.Stop,
		codes.Unauthorized:               codes.Refresh,
		codes.Forbidden:                  codes.Stop,
		codes.NotFound:                   codes.Stop,
		codes.NotAcceptable:              codes.Stop,
		codes.RequestTimeout:             codes.Reconnect,
		codes.Conflict:                   codes.Stop,
		codes.Gone:                       codes.Stop,
		codes.ContentTooLarge:            codes.Stop,
		codes.UpgradeRequired:            codes.Stop,
		codes.TooManyRequests:            codes.Backoff,
		codes.UnavailableForLegalReasons: codes.Stop,
		codes.InternalServerError:        codes.Backoff,
		codes.ServiceUnavailable:         codes.Backoff,
		codes.GatewayTimeout:             codes.Backoff,
	}
	for _, e := range codes.Catalog() {
		if e.Action != want[e.Code] {
			t.Errorf("%s: %s, want %s", e.Code, e.Action, want[e.Code])
		}
	}
}

// Names are HTTP's own. 413 is the one that net/http still has under its name of RFC 7231.
func TestCatalogNames(t *testing.T) {
	for _, e := range codes.Catalog() {
		status, _ := e.Code.Status()
		want := http.StatusText(status)
		if e.Code == codes.ContentTooLarge {
			want = "Content Too Large"
		}
		if e.Name != want {
			t.Errorf("%d: name %q, want %q", e.Code, e.Name, want)
		}
	}
}

func TestCatalogIsTheCallers(t *testing.T) {
	catalog := codes.Catalog()
	for i := range catalog {
		catalog[i] = codes.Entry{}
	}
	if got := codes.Unauthorized.Action(); got != codes.Refresh {
		t.Errorf("after a caller cleared its catalog, 4401 says %q", got)
	}
}
