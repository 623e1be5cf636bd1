package codes_test

import (
	"math"
	"net/http"
	"testing"

	"github.com/wsverdict/wsverdict/codes"
)

func TestCodeRanges(t *testing.T) {
	tests := []struct {
		code     codes.Code
		valid    bool
		status   int // 0: it mirrors none
		action   codes.Action
		name     string
		rendered string
	}{
		{code: 0, action: codes.Stop, rendered: "0"},
		{code: 1000, action: codes.Stop, rendered: "1000"},
		{code: 3999, action: codes.Stop, rendered: "3999"},
		{code: 4000, valid: true, action: codes.Stop, name: "Application Code", rendered: "4000 Application Code"},
		{code: 4399, valid: true, action: codes.Stop, name: "Application Code", rendered: "4399 Application Code"},
		{code: 4400, valid: true, status: 400, action: codes.Stop, name: "Bad Request", rendered: "4400 Bad Request"},
		{code: 4401, valid: true, status: 401, action: codes.Refresh, name: "Unauthorized", rendered: "4401 Unauthorized"},
		{code: 4418, valid: true, status: 418, action: codes.Stop, name: "I'm a teapot", rendered: "4418 I'm a teapot"},
		{code: 4499, valid: true, status: 499, action: codes.Stop, rendered: "4499"},
		{code: 4500, valid: true, status: 500, action: codes.Backoff, name: "Internal Server Error", rendered: "4500 Internal Server Error"},
		{code: 4502, valid: true, status: 502, action: codes.Backoff, name: "Bad Gateway", rendered: "4502 Bad Gateway"},
		{code: 4599, valid: true, status: 599, action: codes.Backoff, rendered: "4599"},
		{code: 4600, valid: true, action: codes.Stop, name: "Application Code", rendered: "4600 Application Code"},
		{code: 4999, valid: true, action: codes.Stop, name: "Application Code", rendered: "4999 Application Code"},
		{code: 5000, action: codes.Stop, rendered: "5000"},
		{code: math.MaxUint16, action: codes.Stop, rendered: "65535"},
	}
	for _, tc := range tests {
		if got := tc.code.Valid(); got != tc.valid {
			t.Errorf("%d: Valid() = %t, want %t", tc.code, got, tc.valid)
		}
		if got, ok := tc.code.Status(); got != tc.status || ok != (tc.status != 0) {
			t.Errorf("%d: Status() = %d, %t, want %d", tc.code, got, ok, tc.status)
		}
		if got := tc.code.Action(); got != tc.action {
			t.Errorf("%d: Action() = %s, want %s", tc.code, got, tc.action)
		}
		if got := tc.code.Name(); got != tc.name {
			t.Errorf("%d: Name() = %q, want %q", tc.code, got, tc.name)
		}
		if got := tc.code.String(); got != tc.rendered {
			t.Errorf("%d: String() = %q, want %q", tc.code, got, tc.rendered)
		}
		if tc.code.Text() == "" {
			t.Errorf("%d: Text() is empty; people are always told something", tc.code)
		}
	}
}

func TestFromStatusMirrors(t *testing.T) {
	for status := -1; status <= 66000; status++ {
		code, ok := codes.FromStatus(status)
		if status < 400 || status > 599 {
			if code != 0 || ok {
				t.Errorf("FromStatus(%d) = %d, %t, want 0, false", status, code, ok)
			}
			continue
		}
		if int(code) != 4000+status || !ok {
			t.Errorf("FromStatus(%d) = %d, %t, want %d, true", status, code, ok, 4000+status)
		}
		if back, ok := code.Status(); back != status || !ok {
			t.Errorf("Status() of %d = %d, %t, want %d, true", code, back, ok, status)
		}
	}
}

func TestNamedCodes(t *testing.T) {
	tests := []struct {
		code   codes.Code
		status int
	}{
		{code: codes.BadRequest, status: http.StatusBadRequest},
		{code: codes.Unauthorized, status: http.StatusUnauthorized},
		{code: codes.Forbidden, status: http.StatusForbidden},
		{code: codes.NotFound, status: http.StatusNotFound},
		{code: codes.NotAcceptable, status: http.StatusNotAcceptable},
		{code: codes.RequestTimeout, status: http.StatusRequestTimeout},
		{code: codes.Conflict, status: http.StatusConflict},
		{code: codes.Gone, status: http.StatusGone},
		{code: codes.ContentTooLarge, status: http.StatusRequestEntityTooLarge},
		{code: codes.UpgradeRequired, status: http.StatusUpgradeRequired},
		{code: codes.TooManyRequests, status: http.StatusTooManyRequests},
		{code: codes.UnavailableForLegalReasons, status: http.StatusUnavailableForLegalReasons},
		{code: codes.InternalServerError, status: http.StatusInternalServerError},
		{code: codes.ServiceUnavailable, status: http.StatusServiceUnavailable},
		{code: codes.GatewayTimeout, status: http.StatusGatewayTimeout},
	}
	for _, tc := range tests {
		if got, ok := tc.code.Status(); got != tc.status || !ok {
			t.Errorf("%s: status %d, %t, want %d", tc.code, got, ok, tc.status)
		}
	}
	if got := len(codes.Catalog()); got != len(tests) {
		t.Errorf("the catalog has %d codes, this table %d", got, len(tests))
	}
}

func TestCodeAllocations(t *testing.T) {
	var action codes.Action
	allocs := testing.AllocsPerRun(100, func() {
		for c := codes.Code(4000); c <= 4999; c++ {
			action |= c.Action()
			if status, ok := c.Status(); ok {
				c, _ := codes.FromStatus(status)
				action |= c.Action()
			}
		}
	})
	if allocs != 0 {
		t.Errorf("Action, Status and FromStatus: %v allocs, want 0", allocs)
	}
}
