package http2

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/middleware"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

// patience is for what hangs; nothing should come near it.
const patience = time.Minute

var refusal = policy.Close(codes.Unauthorized, "token_expired").WithAction(codes.Refresh)

func refuse(*http.Request) policy.Verdict { return refusal }

// A service is a chi server with this library's chains.
type service struct {
	*httptest.Server
	up     *upgrade.Upgrader
	events *upgradetest.Recorder
	calls  chan struct{} // a handler has returned
	said   chan struct{} // an echo was sent

	downloads chan string // the address that one was asked for from
}

// serve has /refused, /echo, /banned (which brings the tag user=eve), /expires (when it has said something), /flood (sends without end), /send (as many bytes
// as it is told, on a goroutine of its own) and /deaf (does not read).
func serve(t testing.TB, up *upgrade.Upgrader, configure ...func(*http.Server)) *service {
	t.Helper()
	events := upgradetest.NewRecorder()
	s := newService(up, events)
	s.events = events
	for _, c := range configure {
		c(s.Config)
	}
	if s.Config.Protocols != nil && s.Config.Protocols.UnencryptedHTTP2() {
		s.Start()
	} else {
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

func newService(up *upgrade.Upgrader, observer upgrade.Observer) *service {
	s := &service{up: up, calls: make(chan struct{}, 10_000), said: make(chan struct{}, 1), downloads: make(chan string, 10)}
	up.Observer = observer
	ws := middleware.For(up)
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodConnect {
				defer func() { s.calls <- struct{}{} }()
			}
			next.ServeHTTP(w, r)
		})
	})
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>over HTTP/2</title>")
	})
	r.Get("/download", func(w http.ResponseWriter, r *http.Request) {
		s.downloads <- r.RemoteAddr
		w.Header().Set("Content-Type", "application/octet-stream")
		io.Copy(w, io.LimitReader(zeros{}, download))
	})
	r.Group(func(r chi.Router) {
		r.Use(ws.Origin(middleware.SameOrigin))
		r.With(ws.Use(policy.Func(refuse))).Handle("/refused", up.Handler(upgradetest.Run(s.echo)))
		r.Handle("/echo", up.Handler(upgradetest.Run(s.echo)))
		r.With(ws.Use(policy.Func(func(*http.Request) policy.Verdict { return policy.Allow().WithTag("user", "eve") }))).
			Handle("/banned", up.Handler(upgradetest.Run(s.echo)))
		r.With(ws.Use(policy.Func(func(*http.Request) policy.Verdict {
			return policy.Allow().WithExpiry(policy.Expiry{At: time.Now().Add(time.Hour), Owner: "test"})
		}))).Handle("/expires", up.Handler(upgradetest.Run(s.expires)))
		r.Handle("/flood", up.Handler(upgradetest.Run(flood)))
		r.Handle("/send", up.Handler(upgradetest.Run(send)))
		r.Handle("/deaf", up.Handler(upgradetest.Run(deaf)))
	})
	s.Server = httptest.NewUnstartedServer(r)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

const download = 64 << 20

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// expires says hello back, and has the expiry come.
func (s *service) expires(ctx context.Context, c *upgrade.Conn) error {
	typ, p, err := c.Read(ctx, nil)
	if err != nil {
		return err
	}
	err = errors.Join(c.Write(ctx, typ, p), c.Extend(policy.Expiry{At: time.Now(), Owner: "test"}))
	if err != nil {
		return err
	}
	return s.echo(ctx, c)
}

func (s *service) echo(ctx context.Context, c *upgrade.Conn) error {
	for {
		typ, p, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, p); err != nil {
			return err
		}
		select {
		case s.said <- struct{}{}:
		default:
		}
	}
}

func flood(ctx context.Context, c *upgrade.Conn) error {
	for {
		if err := c.Write(ctx, upgrade.Binary, make([]byte, 32<<10)); err != nil {
			return err
		}
	}
}

func send(ctx context.Context, c *upgrade.Conn) error {
	for {
		_, p, err := c.Read(ctx, nil)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(p))
		if err != nil {
			return err
		}
		go c.Write(ctx, upgrade.Binary, make([]byte, n))
	}
}

func deaf(ctx context.Context, _ *upgrade.Conn) error {
	<-ctx.Done()
	return nil
}

// wantEmpty wants everything that was taken to be given back.
func (s *service) wantEmpty(t testing.TB) {
	t.Helper()
	upgradetest.WantEmpty(t, s.up)
}

// wantReturned waits for n handlers to return.
func (s *service) wantReturned(t testing.TB, n int) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for i := range n {
		select {
		case <-s.calls:
		case <-timer.C:
			t.Fatalf("%d of %d handlers have returned", i, n)
		}
	}
}

func deadline(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}
