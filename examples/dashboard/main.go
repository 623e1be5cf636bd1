// The dashboard is an application for many tenants: everybody sees the figures of their own
// company, live. It is there to be copied. Without -issuer it issues tokens itself, for
// development.
//
//	go run ./examples/dashboard
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/wsverdict/wsverdict/middleware/jwks"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8082", "listen on this `address`")
	ops := flag.String("ops", "127.0.0.1:8083", "serve the metrics on this `address`, which is not for the public")
	issuer := flag.String("issuer", "", "the `URL` of an OpenID provider")
	traces := flag.Bool("traces", false, "write traces to the standard output")
	flag.Parse()
	public, err := net.Listen("tcp", *addr)
	private, failed := net.Listen("tcp", *ops)
	if err := errors.Join(err, failed); err != nil {
		log.Fatalf("dashboard: %v; choose others with -addr and -ops", err)
	}
	log.Printf("dashboard: open http://%s, or see its metrics at http://%s/", public.Addr(), private.Addr())

	if *traces {
		exporter, _ := stdouttrace.New(stdouttrace.WithPrettyPrint()) // in its place, and in batches, one of your collector's
		otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(exporter)))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	var dev development
	if *issuer == "" {
		dev = newDevelopment("http://" + public.Addr().String())
		*issuer = dev.issuer
	}
	keys := jwks.Must(jwks.New(ctx, jwks.Config{Issuer: *issuer, OnError: func(err error) { log.Print("dashboard: ", err) }}))
	d := newDashboard(*issuer, keys, dev.lookup)
	routes := d.routes()
	if dev.issuer != "" {
		routes.Mount("/dev", dev.routes())
		go dev.feed(ctx, d)
	}
	site := &http.Server{Handler: http.NewCrossOriginProtection().Handler(routes), ReadHeaderTimeout: 5 * time.Second}
	metrics := &http.Server{Handler: d.metrics, ReadHeaderTimeout: 5 * time.Second}
	go func() { log.Print("dashboard: ", site.Serve(public)); stop() }()
	go func() { log.Print("dashboard: ", metrics.Serve(private)); stop() }()
	<-ctx.Done()
	stop() // a second signal ends it at once

	grace, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	log.Printf("dashboard: connections and requests ended (%v)", d.up.Shutdown(grace, site, metrics))
}
