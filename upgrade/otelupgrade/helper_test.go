package otelupgrade_test

import (
	"bytes"
	"context"
	"iter"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/otelupgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// A backend is what telemetry is sent to: all of it, as soon as it is there.
type backend struct {
	*otelupgrade.Observer
	spans  *tracetest.InMemoryExporter
	tracer *trace.TracerProvider
	reader *metric.ManualReader
	http   []otelhttp.Option
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	b := &backend{spans: tracetest.NewInMemoryExporter(), reader: metric.NewManualReader()}
	b.tracer = trace.NewTracerProvider(trace.WithSyncer(b.spans))
	meter := metric.NewMeterProvider(metric.WithReader(b.reader))
	b.http = []otelhttp.Option{otelhttp.WithTracerProvider(b.tracer), otelhttp.WithMeterProvider(meter),
		otelhttp.WithPropagators(propagation.TraceContext{})}
	var err error
	b.Observer, err = otelupgrade.New(otelupgrade.Config{TracerProvider: b.tracer, MeterProvider: meter})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// upgrader returns one that is observed.
func (b *backend) upgrader() *upgrade.Upgrader {
	return &upgrade.Upgrader{Observer: b, SessionContext: b.SessionContext}
}

// serve serves handler for /ws/{room} in a chi router behind otelhttp, and fails the test if net/http
// complains.
func (b *backend) serve(t testing.TB, handler http.Handler) (addr string) {
	t.Helper()
	r := chi.NewRouter()
	r.Use(otelupgrade.NewMiddleware("test", b.http...))
	r.Handle("/ws/{room}", handler)
	return serve(t, r)
}

func serve(t testing.TB, handler http.Handler) (addr string) {
	t.Helper()
	var complaints buffer
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(&complaints, "", 0)
	s.Start()
	t.Cleanup(func() {
		s.Close()
		if text := complaints.String(); text != "" {
			t.Errorf("net/http says %s", text)
		}
	})
	return s.Listener.Addr().String()
}

type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// span waits for a span that has this name.
func (b *backend) span(t testing.TB, name string) (found tracetest.SpanStub) {
	t.Helper()
	upgradetest.Eventually(t, name, func() bool {
		for _, s := range b.spans.GetSpans() {
			if s.Name == name {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

const (
	serverSpan    = "GET /ws/{room}"
	routeless     = "GET" // otelhttp's where there is no router
	handshakeSpan = "websocket handshake /ws/{room}"
	sessionSpan   = "websocket session /ws/{room}"
)

// points returns the data of an instrument by their attributes, encoded; of a histogram how many there
// were.
func (b *backend) points(t testing.TB, name string) map[string]int64 {
	t.Helper()
	points := map[string]int64{}
	for labels, value := range b.data(t, name) {
		points[encoded(labels)] = value
	}
	return points
}

// labels returns the attributes of an instrument's data.
func (b *backend) labels(t testing.TB, name string) (all [][]attribute.KeyValue) {
	t.Helper()
	for labels := range b.data(t, name) {
		all = append(all, labels)
	}
	return all
}

func (b *backend) data(t testing.TB, name string) iter.Seq2[[]attribute.KeyValue, int64] {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := b.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	return func(yield func([]attribute.KeyValue, int64) bool) {
		for _, scope := range all.ScopeMetrics {
			for _, m := range scope.Metrics {
				if m.Name != name {
					continue
				}
				switch data := m.Data.(type) {
				case metricdata.Sum[int64]:
					for _, p := range data.DataPoints {
						if !yield(p.Attributes.ToSlice(), p.Value) {
							return
						}
					}
				case metricdata.Histogram[float64]:
					for _, p := range data.DataPoints {
						if !yield(p.Attributes.ToSlice(), int64(p.Count)) {
							return
						}
					}
				}
			}
		}
	}
}

// encoded is "key=value key=value", in the order of the keys.
func encoded(list []attribute.KeyValue) string {
	set := attribute.NewSet(list...)
	return set.Encoded(attribute.DefaultEncoder())
}

func wantAttributes(t testing.TB, what string, got []attribute.KeyValue, want string) {
	t.Helper()
	if text := encoded(got); text != want {
		t.Errorf("%s has %s\nwant %s", what, text, want)
	}
}

func valueOf(s tracetest.SpanStub, key string) any {
	for _, a := range s.Attributes {
		if string(a.Key) == key {
			return a.Value.AsInterface()
		}
	}
	return nil
}
