package promupgrade_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/promupgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// server serves a chain that the query of the URL steers, and /metrics: what is counted here has passed
// real sockets.
func server(t *testing.T) (addr string, metrics *promupgrade.Metrics) {
	up := &upgrade.Upgrader{}
	metrics = promupgrade.New(up)
	up.Observer = metrics
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	steered := policy.Named("steered", policy.Func(func(r *http.Request) policy.Verdict {
		switch q := r.URL.RawQuery; {
		case q == "allow":
			return policy.Allow()
		case q == "reject":
			return policy.Reject(codes.Forbidden, "not_here")
		case q == "panic":
			panic("on purpose")
		default:
			return policy.Close(codes.Unauthorized, q)
		}
	}))
	trial := policy.Named("trial", policy.Func(func(*http.Request) policy.Verdict { return policy.Close(codes.Forbidden, "tried") }))
	session := func(ctx context.Context, c *upgrade.Conn) error {
		typ, p, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		return c.Write(ctx, typ, p)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", up.Shadow(trial)(up.Use(steered)(up.Handler(upgradetest.Run(session)))))
	return upgradetest.Serve(t, mux), metrics
}

// visit opens a connection, says something if it was admitted, and stays until it is closed.
func visit(t *testing.T, addr, query string) {
	t.Helper()
	c := upgradetest.Handshake(t, addr, "/?"+query, upgradetest.Header())
	if c.Response.StatusCode != http.StatusSwitchingProtocols {
		return
	}
	if query == "allow" {
		c.Say("hello", "hello")
	}
	c.ReadClose()
	c.Bye()
}

// eventually waits until the metric named what is what want says.
func eventually(t *testing.T, m *promupgrade.Metrics, what, want string) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(m)
	var err error
	defer func() {
		if err != nil {
			t.Log(err)
		}
	}()
	upgradetest.Eventually(t, what, func() bool {
		err = testutil.GatherAndCompare(registry, strings.NewReader(want), what)
		return err == nil
	})
}

func TestMetrics(t *testing.T) {
	addr, metrics := server(t)
	for _, query := range []string{"allow", "allow", "token_expired", "reject", "panic"} {
		visit(t, addr, query)
	}
	eventually(t, metrics, "wsverdict_handshakes_total", `
# HELP wsverdict_handshakes_total Handshakes by how they were answered; code 0 is an admission.
# TYPE wsverdict_handshakes_total counter
wsverdict_handshakes_total{code="0",outcome="admitted",policy="endpoint",slug="",why=""} 2
wsverdict_handshakes_total{code="4401",outcome="closed",policy="steered",slug="token_expired",why=""} 1
wsverdict_handshakes_total{code="4403",outcome="answered",policy="steered",slug="not_here",why="hidden"} 1
wsverdict_handshakes_total{code="4500",outcome="closed",policy="steered",slug="internal_error",why=""} 1
`)
	eventually(t, metrics, "wsverdict_shadowed_total", `
# HELP wsverdict_shadowed_total Judgements of policies on trial, which are not enforced.
# TYPE wsverdict_shadowed_total counter
wsverdict_shadowed_total{policy="trial",slug="tried",verdict="deny"} 5
`)
	eventually(t, metrics, "wsverdict_connections_closed_total", `
# HELP wsverdict_connections_closed_total Connections that are gone.
# TYPE wsverdict_connections_closed_total counter
wsverdict_connections_closed_total{by="server",code="1000"} 2
`)
	eventually(t, metrics, "wsverdict_messages_total", `
# HELP wsverdict_messages_total Messages of connections that are gone.
# TYPE wsverdict_messages_total counter
wsverdict_messages_total{direction="read"} 2
wsverdict_messages_total{direction="written"} 2
`)
	for name, want := range map[string]string{"wsverdict_panics_total": "counter 1", "wsverdict_connections": "gauge 0",
		"wsverdict_lingering_connections": "gauge 0", "wsverdict_seats": "gauge 0"} {
		typ, n, _ := strings.Cut(want, " ")
		help := map[string]string{
			"wsverdict_panics_total":          "Panics of sessions and policies.",
			"wsverdict_connections":           "Connections that were admitted and are not gone yet.",
			"wsverdict_lingering_connections": "Refused connections that wait for the client's close frame.",
			"wsverdict_seats":                 "Places that live connections take.",
		}[name]
		eventually(t, metrics, name, fmt.Sprintf("# HELP %[1]s %[2]s\n# TYPE %[1]s %[3]s\n%[1]s %[4]s\n", name, help, typ, n))
	}
	if n := testutil.CollectAndCount(metrics, "wsverdict_handshake_duration_seconds"); n != 3 {
		t.Errorf("handshake durations of %d outcomes, want 3", n)
	}
	if n := testutil.CollectAndCount(metrics, "wsverdict_connection_duration_seconds"); n != 1 {
		t.Errorf("connection durations in %d ways of closing, want 1", n)
	}
}

// TestSeriesAreBounded has a program that makes up slugs.
func TestSeriesAreBounded(t *testing.T) {
	metrics := promupgrade.New(&upgrade.Upgrader{})
	for i := range 3 * promupgrade.MaxSeries {
		metrics.Observe(upgrade.Event{Verdict: policy.Close(codes.Forbidden, fmt.Sprintf("made_up_%d", i)), Outcome: upgrade.Closed})
	}
	if n := testutil.CollectAndCount(metrics, "wsverdict_handshakes_total"); n != promupgrade.MaxSeries+1 {
		t.Errorf("%d series, want %d", n, promupgrade.MaxSeries+1)
	}
}

// TestNameThatIsNoUTF8: a policy may be called anything.
func TestNameThatIsNoUTF8(t *testing.T) {
	metrics := promupgrade.New(&upgrade.Upgrader{})
	for _, name := range []string{"a\xff", "a\xfe"} {
		metrics.Observe(upgrade.Event{Policy: name, Verdict: policy.Close(codes.Forbidden, "no"), Outcome: upgrade.Closed})
		metrics.Observe(upgrade.Event{Kind: upgrade.Shadowed, Policy: name, Verdict: policy.Close(codes.Forbidden, "no")})
	}
	eventually(t, metrics, "wsverdict_handshakes_total", `
# HELP wsverdict_handshakes_total Handshakes by how they were answered; code 0 is an admission.
# TYPE wsverdict_handshakes_total counter
wsverdict_handshakes_total{code="4403",outcome="closed",policy="a�",slug="no",why=""} 2
`)
	eventually(t, metrics, "wsverdict_shadowed_total", `
# HELP wsverdict_shadowed_total Judgements of policies on trial, which are not enforced.
# TYPE wsverdict_shadowed_total counter
wsverdict_shadowed_total{policy="a�",slug="no",verdict="deny"} 2
`)
}

// TestScrapeBeforeTheFirstRoute: it freezes nothing.
func TestScrapeBeforeTheFirstRoute(t *testing.T) {
	up := &upgrade.Upgrader{}
	metrics := promupgrade.New(up)
	eventually(t, metrics, "wsverdict_connections", "# HELP wsverdict_connections Connections that were admitted and are not gone yet.\n"+
		"# TYPE wsverdict_connections gauge\nwsverdict_connections 0\n")
	up.Observer = metrics
	upgradetest.Open(t, up.Handler(upgradetest.Run(upgradetest.Echo)), "/").Leave(1000)
	if n := testutil.CollectAndCount(metrics, "wsverdict_handshakes_total"); n != 1 {
		t.Errorf("%d series of handshakes: the Observer came too late", n)
	}
}

func TestLint(t *testing.T) {
	addr, metrics := server(t)
	visit(t, addr, "allow")
	problems, err := testutil.CollectAndLint(metrics)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestNewWithoutUpgrader(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	promupgrade.New(nil)
}
