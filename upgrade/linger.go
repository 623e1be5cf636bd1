package upgrade

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
	"github.com/wsverdict/wsverdict/upgrade/internal/transport"
)

// A budget bounds how many of something there are at a time.
type budget struct {
	max int64
	now atomic.Int64
}

func (b *budget) take() bool {
	if b.now.Add(1) <= b.max {
		return true
	}
	b.now.Add(-1)
	return false
}

func (b *budget) give() { b.now.Add(-1) }

// closed is true: the close frame of a refusal went out with its 101.
func (b *budget) closed() bool { return true }

// written has nothing to wait for, for the same reason.
func (b *budget) written() {}

// lingered gives back what a refused connection took.
func (b *budget) lingered() { b.give() }

// A lingerer is a connection that was sent a close frame and waits for the client's. It reads and
// discards, so that the kernel has no reason for a reset, and it sends no FIN, which would make
// browsers report an unclean close.
type lingerer struct {
	conn   net.Conn
	config *config
	owner  lingererOwner
	frames frame.Scanner
	until  instant // the read deadline
	brief  bool    // do not wait for the client's close frame
	run    func()  // bound once, so that starting the goroutine allocates nothing
	buf    [128]byte
}

// A lingererOwner is told of the client's close frame, and says whether that is all there was to
// wait for; of the end of what the client sends, where written returns when our own close frame is
// out; and of the end of all.
type lingererOwner interface {
	closed() bool
	written()
	lingered()
}

var (
	lingerers sync.Pool // of *lingerer
	discards  = sync.Pool{New: func() any { return new([16 << 10]byte) }}
)

func newLingerer() *lingerer {
	if l, ok := lingerers.Get().(*lingerer); ok {
		return l
	}
	l := &lingerer{}
	l.run = l.wait
	return l
}

// linger takes conn over, behind a close frame that was written, and returns at once. frames says
// where its stream stands, and early is what was read of it already; until, its read deadline, is the
// end of the wait: an absolute one, which a client that sends a byte a second does not move. A brief
// linger is for who has not earned a wait: the connection is half-closed at once and ends when the
// client does so too, or soon.
func (c *config) linger(conn net.Conn, frames frame.Scanner, early []byte, until instant, brief bool, owner lingererOwner) {
	frames.Keep = false
	frames.Scan(early)
	if frames.Closed && owner.closed() { // there is nothing to wait for
		conn.Close()
		owner.lingered()
		return
	}
	frames.Closed = false
	brief = brief || frames.Broken
	l := newLingerer()
	l.conn, l.config, l.owner, l.frames, l.until, l.brief = conn, c, owner, frames, until, brief
	go l.run()
}

func (l *lingerer) wait() {
	l.drain()
	l.conn.Close()
	l.owner.lingered()
	l.conn, l.config, l.owner = nil, nil, nil
	lingerers.Put(l)
}

func (l *lingerer) drain() {
	if !l.brief && l.discard(l.config.lingerBytes) {
		return
	}
	// The client neither closed nor hung up in time. Say that nothing more will come, give its
	// kernel a moment to take what was sent, and end it.
	l.until = now().add(lastDrain)
	if (transport.CloseWrite(l.conn) || l.brief) && l.conn.SetReadDeadline(l.until.time()) == nil {
		l.discard(lastDrainBytes)
	}
}

const (
	lastDrain      = 250 * time.Millisecond
	lastDrainBytes = 256 << 10
	pouring        = 50 * time.Millisecond
)

// discard reads until the client's close frame or its end, and reports whether one came within the
// read deadline and limit. It waits in a small buffer: most clients send a close frame and nothing
// else. While data pours in, a large one is borrowed, and for no longer: a client that falls silent
// does not keep it.
func (l *lingerer) discard(limit int64) bool {
	more := false
	for limit > 0 {
		n, err := l.read(limit, more)
		limit -= int64(n)
		if l.frames.Closed && l.owner.closed() {
			return true
		}
		l.frames.Closed = false
		if l.frames.Broken && !l.brief { // no close frame will come
			l.brief = true
			return false
		}
		poured := more
		more = n >= len(l.buf)
		switch {
		case err == io.EOF && !l.brief: // half-closed, as browsers do with a stream: it can still receive
			l.owner.written()
			return true
		case err != nil && !isTimeout(err):
			return true
		case err != nil && (!poured || now() >= l.until):
			return false
		case poured && !more && l.conn.SetReadDeadline(l.until.time()) != nil:
			return true
		}
	}
	return false
}

// read reads once: into the small buffer for as long as it takes, or, where more is expected, into a
// large one for a moment.
func (l *lingerer) read(limit int64, more bool) (int, error) {
	buf := l.buf[:]
	if more {
		big := discards.Get().(*[16 << 10]byte)
		defer discards.Put(big)
		buf = big[:]
		if err := l.conn.SetReadDeadline(min(now().add(pouring), l.until).time()); err != nil {
			return 0, err
		}
	}
	n, err := l.conn.Read(buf[:min(int64(len(buf)), limit)])
	l.frames.Scan(buf[:n])
	return n, err
}
