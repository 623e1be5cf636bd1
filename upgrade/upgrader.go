package upgrade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
	"github.com/wsverdict/wsverdict/upgrade/internal/origin"
	"github.com/wsverdict/wsverdict/upgrade/internal/wheel"
)

// An Upgrader is the end of a chain: every verdict of its links ends in it. The zero value works
// and is safe: same-origin, no subprotocols, mirrored codes, the limits below.
//
// Its fields are read once, when the first of its methods other than Stats is called; changing them
// later has no effect. Mistakes in them are one panic at that moment, which lists them all. An
// Upgrader must not be copied after that. Its methods, and everything they return, are safe for
// concurrent use.
type Upgrader struct {
	// Subprotocols are the subprotocols that this server speaks (RFC 6455 §1.9). The client's first
	// one that is among them is chosen; a client that offers some and none of these is refused with
	// 406. List the marker of a token that travels as a subprotocol ("bearer") here too; the token
	// itself is never echoed.
	//
	// Two more are spoken always (docs/protocol.md): "wsverdict.refused" is chosen for a refusal by
	// close frame, if the client offered it, so that the refusal is visible at open; "wsverdict.v1"
	// on admission if the client offered no other. Names with this prefix cannot be listed.
	Subprotocols []string

	// Hosts are the names, each with an optional port, that this server answers to
	// ("app.example.com", "localhost:8080", "[::1]"). If given, a request to any other Host is
	// never same-origin. Without it DNS rebinding passes the same-origin default: a page of a name
	// that the attacker points here sends an equal Origin and Host. An Origin link with a list does
	// not need it.
	Hosts []string

	// InsecureAnyOrigin lets any site's pages connect where no Origin link stands, with the user's
	// cookies. It is for public interfaces whose every user brings a bearer token. Origin links are
	// enforced all the same.
	InsecureAnyOrigin bool

	// StatusWithoutOrigin answers clients that sent no Origin, so no browsers, with the HTTP status
	// of a denial: they can read it. By default all are treated alike.
	StatusWithoutOrigin bool

	// DisableHTTP2 refuses handshakes over HTTP/2 (RFC 8441) with 505. They arrive where the process
	// was started with GODEBUG=http2xconnect=1, and are treated as those over HTTP/1.1 by default.
	// Browsers that are refused do not try HTTP/1.1 (docs/http2.md).
	DisableHTTP2 bool

	// Profile is the scheme of close codes; nil is [codes.Mirrored].
	Profile codes.Profile

	// Observer is told how every verdict was settled; [Observers] are several. With none, panics
	// alone are logged, to [log/slog.Default].
	Observer Observer

	// ExpiryNotice is how long before the expiry of a connection the Observer is told, by an
	// [Expiring] event, so that it can have the client asked for new credentials; with less time left
	// than that, soon. 0 means never. [Conn.BeforeExpiry] is for the session itself.
	ExpiryNotice time.Duration

	// SessionContext, if given, makes the context whose values a session's context and the events about
	// it carry: a request id, a trace. It is called for each admission, behind the endpoint's function,
	// with a context without values and with the handshake, as that function had it. Only the values of
	// what it returns count, and what is derived from the request's own context has none left in the
	// session. It is called concurrently; a panic, and nil, refuse the client with 500. Without it a
	// session's context carries nothing.
	SessionContext func(ctx context.Context, r *http.Request) context.Context

	// WriteTimeout bounds the writing of a frame, and of the 101 of an admission: a client that
	// does not read is cut off. What a session writes to [Conn.NetConn] has the deadlines that it
	// sets. 0 means 5 seconds.
	WriteTimeout time.Duration

	// LingerTimeout is how long a closed connection waits for the client's close frame, in all,
	// however much the client sends. Then it is half-closed, and cut off within half a second. 0
	// means 2 seconds.
	LingerTimeout time.Duration

	// LingerBytes is how much of what the client still sends is read and discarded in that time. 0
	// means 8 MiB: a browser sends what it has queued before its close frame.
	LingerBytes int64

	// MaxLingering is how many refused connections may wait for the client's close frame at a time.
	// Beyond it a denial is its HTTP status, which costs next to nothing. As many again may wait
	// whose session ended within ten seconds, a first message refused, say; beyond that such a
	// connection is half-closed at once and cut off within half a second, and a browser that was
	// sending may not see the code. 0 means 1024; negative means that no denial is ever a close
	// frame.
	MaxLingering int

	// MaxMessageBytes is how large a message may be that a client sends. A larger one closes the
	// connection with 1009. 0 means 1 MiB. [Conn.SetReadLimit] changes it for one connection.
	MaxMessageBytes int64

	// OutboxBytes is how much may wait in a connection's outbox ([Conn.Send],
	// [Upgrader.Broadcast]), beyond what the kernel takes: frames with their headers, and 8 bytes
	// for each. Frames of a broadcast are shared by all that they wait for. 0 means 64 KiB.
	OutboxBytes int

	// SlowConsumer is the denial that closes a connection whose outbox overflows. The zero Verdict
	// means 4408 slow_consumer;do=reconnect.
	SlowConsumer policy.Verdict

	// Codec encodes the values of [Conn.ReadJSON], [Conn.WriteJSON], [Conn.SendJSON],
	// [Upgrader.PrepareJSON] and [Upgrader.BroadcastJSON]. The zero value is encoding/json.
	Codec Codec

	// PingInterval is how long a client may be silent, while the session waits for it, until it is
	// pinged. 0 means 20 seconds: proxies and load balancers commonly cut what was idle for 30, 50
	// or 60. Negative means never. It is kept to a tenth of a second.
	PingInterval time.Duration

	// PingTimeout is how long it may stay silent after that. Then it counts as gone. 0 means 15
	// seconds.
	PingTimeout time.Duration

	// SeatTimeout is how long a handshake waits for a [policy.Seat] of the user's own, also for one
	// that ignores its context. 0 means 1 second.
	SeatTimeout time.Duration

	once sync.Once
	cfg  atomic.Pointer[config]
}

// A config is an Upgrader's fields, checked and in the form that requests need.
type config struct {
	upgrader            *Upgrader
	subprotocols        []string
	hosts               []origin.Authority
	insecureAnyOrigin   bool
	statusWithoutOrigin bool
	disableHTTP2        bool
	profile             codes.Profile // nil for codes.Mirrored
	observer            Observer
	expiryNotice        time.Duration                                        // 0 for never
	sessionContext      func(context.Context, *http.Request) context.Context // nil for none
	timed               bool                                                 // an Observer was given: durations are measured
	writeTimeout        time.Duration
	lingerTimeout       time.Duration
	lingerBytes         int64
	lingering           budget // refused connections
	young               budget // and those whose session refused them
	maxMessageBytes     int64
	outboxBytes         int
	slowConsumer        policy.Verdict
	codec               Codec
	pingTicks           uint32 // 0 for never
	pongTicks           uint32
	seatTimeout         time.Duration

	live    live
	ids     atomic.Uint64
	seats   atomic.Int64
	taking  atomic.Int64 // seats that were asked for and have not answered
	warned  sync.Once    // of a route for GET alone
	settled settledCounts
	ended   endedCounts
}

const defaultMaxLingering = 1024

// mounted returns the configuration, reading the fields at the first call.
func (u *Upgrader) mounted() *config {
	u.once.Do(func() { u.cfg.Store(u.read()) })
	c := u.cfg.Load()
	if c == nil {
		panic("upgrade: Upgrader: mounted after a mistake in its fields was reported")
	}
	return c
}

func (u *Upgrader) read() *config {
	c := &config{
		upgrader:            u,
		subprotocols:        slices.Clone(u.Subprotocols),
		insecureAnyOrigin:   u.InsecureAnyOrigin,
		statusWithoutOrigin: u.StatusWithoutOrigin,
		disableHTTP2:        u.DisableHTTP2,
		profile:             u.Profile,
		observer:            u.Observer,
		sessionContext:      u.SessionContext,
		expiryNotice:        u.ExpiryNotice,
		timed:               u.Observer != nil,
		writeTimeout:        min(cmp.Or(u.WriteTimeout, 5*time.Second), 24*time.Hour), // instants do not overflow
		lingerTimeout:       min(cmp.Or(u.LingerTimeout, 2*time.Second), 24*time.Hour),
		lingerBytes:         cmp.Or(u.LingerBytes, 8<<20),
		maxMessageBytes:     cmp.Or(u.MaxMessageBytes, 1<<20),
		outboxBytes:         cmp.Or(u.OutboxBytes, defaultOutboxBytes),
		slowConsumer:        u.SlowConsumer,
		seatTimeout:         cmp.Or(u.SeatTimeout, time.Second),
		pongTicks:           wheel.Ticks(cmp.Or(u.PingTimeout, 15*time.Second)),
	}
	if interval := cmp.Or(u.PingInterval, 20*time.Second); interval > 0 {
		c.pingTicks = wheel.Ticks(interval)
	}
	c.live.wheel.Of = func(conn *Conn) *wheel.Timer[Conn] { return &conn.timer.Timer }
	c.lingering.max = int64(max(0, cmp.Or(u.MaxLingering, defaultMaxLingering)))
	c.young.max = c.lingering.max
	if u.MaxLingering < 0 {
		c.young.max = defaultMaxLingering
	}
	if reflect.ValueOf(c.slowConsumer).IsZero() {
		c.slowConsumer = slowConsumer
	}
	if c.observer == nil {
		c.observer = logPanics{}
	}
	var errs []error
	mistake := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.subprotocols) > 255 {
		mistake("Subprotocols: more than 255")
	}
	for i, p := range c.subprotocols {
		switch {
		case !handshake.IsToken(p):
			mistake("Subprotocols: %q is no token (RFC 9110 §5.6.2)", p)
		case strings.HasPrefix(p, handshake.Prefix):
			mistake("Subprotocols: %q: names that begin with %q are the library's own", p, handshake.Prefix)
		case slices.Contains(c.subprotocols[:i], p):
			mistake("Subprotocols: %q is listed twice", p)
		}
	}
	if all, ok := u.Observer.(Observers); ok && slices.Contains(all, nil) {
		mistake("Observer: one of several is nil")
	}
	if c.slowConsumer.Allowed() {
		mistake("SlowConsumer: want a denial")
	}
	var err error
	if c.codec, err = readCodec(u.Codec); err != nil {
		mistake("Codec: %w", err)
	}
	for _, h := range u.Hosts {
		host, ok := origin.ParseAuthority(h)
		if !ok {
			mistake("Hosts: %q: want a host name or address, with an optional port and nothing else", h)
		}
		c.hosts = append(c.hosts, host)
	}
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"ExpiryNotice", u.ExpiryNotice < 0},
		{"WriteTimeout", u.WriteTimeout < 0},
		{"LingerTimeout", u.LingerTimeout < 0},
		{"LingerBytes", u.LingerBytes < 0},
		{"OutboxBytes", u.OutboxBytes < 0},
		{"MaxMessageBytes", u.MaxMessageBytes < 0},
		{"PingTimeout", u.PingTimeout < 0},
		{"SeatTimeout", u.SeatTimeout < 0},
	} {
		if f.bad {
			mistake("%s is negative", f.name)
		}
	}
	if len(errs) > 0 {
		panic(mistakes("upgrade: Upgrader", errs))
	}
	return c
}

// mistakes is the one message of a mount point: every mistake on a line of its own.
func mistakes(where string, errs []error) string {
	text := strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "\n\t")
	return fmt.Sprintf("%s:\n\t%s", where, text)
}
