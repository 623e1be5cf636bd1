package otelupgrade_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/go-chi/chi/v5"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/otelupgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func Example() {
	exporter := tracetest.NewInMemoryExporter() // yours sends to a collector
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))

	telemetry, err := otelupgrade.New(otelupgrade.Config{TracerProvider: provider}) // the global ones by default
	if err != nil {
		panic(err)
	}
	up := &upgrade.Upgrader{Observer: telemetry, SessionContext: telemetry.SessionContext}
	nobody := policy.Named("nobody", policy.Func(func(*http.Request) policy.Verdict {
		return policy.Close(codes.Unauthorized, "token_missing")
	}))
	chat := func(r *http.Request) (upgrade.Session, error) {
		room := r.PathValue("room")
		return func(ctx context.Context, c *upgrade.Conn) error {
			trace.SpanFromContext(ctx).SetAttributes(attribute.String("room", room)) // the session's span
			return c.Close(policy.Close(codes.Forbidden, "not_yet"))
		}, nil
	}

	r := chi.NewRouter()
	r.Use(otelupgrade.NewMiddleware("app", otelhttp.WithTracerProvider(provider))) // in place of otelhttp.NewMiddleware
	r.With(up.Use(nobody)).Handle("/ws/{room}", up.Handler(chat))

	served := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer close(served)
		r.ServeHTTP(w, req)
	}))
	defer server.Close()
	req, err := http.NewRequest("GET", server.URL+"/ws/lobby", nil)
	if err != nil {
		panic(err)
	}
	req.Header = upgradetest.Header() // of a handshake
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	<-served
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name, span.Status.Code)
		for _, a := range span.Attributes {
			if a.Key == "wsverdict.slug" || a.Key == "http.response.status_code" {
				fmt.Println("\t", a.Key, a.Value.AsInterface())
			}
		}
	}
	// Output:
	// websocket handshake /ws/{room} Unset
	// 	 wsverdict.slug token_missing
	// 	 http.response.status_code 101
	// GET /ws/{room} Unset
	// 	 http.response.status_code 101
}
