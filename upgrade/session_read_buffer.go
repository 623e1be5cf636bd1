package upgrade

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade/internal/frame"
)

// An input is the state of the reading side. All of it belongs to whoever holds the lock.
//
// Reading has four layers, each in a file of its own and calling the next: what a session calls
// (session_read.go), messages, frames, and the buffer that the connection is read into.
type input struct {
	lock    sync.Mutex
	reading atomic.Bool // somebody waits for the client: its silence means something
	seen    atomic.Uint32

	frame ws.Header // the frame that is being read
	left  int64     // of its payload
	room  int64     // what the message may still have
	limit int64

	buf             []byte // inline, or borrowed while data pours in, or what came behind the handshake
	r, w            uint32
	messages, bytes uint64

	paused  uint32    // tick of the last read's end
	message ws.OpCode // the message that is being read; 0 between messages
	typ     ws.OpCode // of the last message that began
	pos     uint8     // in the frame's mask
	full    bool      // the last read filled buf: there is more
	lent    bool      // buf is the reader's own
	text    frame.Text

	// Room for a whole control frame (131 bytes), and for a small message: what an idle connection
	// needs. With it a Conn has 512 bytes, which is a size class, and the last one without a header
	// of the allocator's.
	inline [138]byte
}

// An input's buffer grows in steps with what has arrived: a peer that falls silent behind its first
// bytes keeps a small one. Both sizes are size classes of the allocator; borrowed has room for a
// message of 16 KB and its header.
const (
	medium   = 3 << 10
	borrowed = 18 << 10
)

var (
	mediums = sync.Pool{New: func() any { return new([medium]byte) }}
	inputs  = sync.Pool{New: func() any { return new([borrowed]byte) }}
)

// direct is the size from which on a read goes past the buffer.
const direct = 4 << 10

// fill reads once more from the connection. An idle connection waits in its inline buffer, or in
// one that its reader has lent; while data pours in, a larger one is borrowed.
func (c *Conn) fill() error {
	in := &c.in
	if in.r == in.w {
		in.choose()
	} else if int(in.w) == len(in.buf) {
		in.compact()
	}
	return c.receive()
}

func (c *Conn) receive() error {
	in := &c.in
	n, err := c.readSome(in.buf[in.w:])
	in.w += uint32(n)
	in.full = int(in.w) == len(in.buf)
	return err
}

// readSome reads once from the connection. Its end is never io.EOF, which is a message's: no close
// frame has come.
func (c *Conn) readSome(p []byte) (int, error) {
	n, err := c.conn.Read(p)
	c.saw(n)
	switch {
	case n > 0: // an error comes again
		return n, nil
	case err == nil:
		err = io.ErrNoProgress
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return 0, err
}

// choose picks the buffer for what comes next, when nothing is left in the present one.
func (in *input) choose() {
	in.r, in.w = 0, 0
	have := 0
	if in.full {
		have = len(in.buf)
	}
	if have == borrowed && !in.lent {
		return
	}
	in.free()
	in.buf = in.bufferFor(have)
}

// bufferFor returns a buffer for more than have bytes, or for as many as the largest has.
func (in *input) bufferFor(have int) []byte {
	switch {
	case have < len(in.inline):
		return in.inline[:]
	case have < medium:
		return mediums.Get().(*[medium]byte)[:]
	}
	return inputs.Get().(*[borrowed]byte)[:]
}

// compact makes room behind bytes that fill their buffer and are no whole header or control frame
// yet: it moves them to the front of a larger one, or of the largest.
func (in *input) compact() {
	rest, to := in.buffered(), in.buf
	if len(to) != borrowed || in.lent {
		to = in.bufferFor(max(len(to), len(rest)))
	}
	in.move(rest, to)
}

// move moves the bytes that are left to the front of another buffer, or of the same one.
func (in *input) move(rest, to []byte) {
	n := copy(to, rest)
	if &to[0] != &in.buf[0] {
		in.free()
	}
	in.r, in.w, in.buf = 0, uint32(n), to
}

// lend has the next bytes read right into the caller's buffer, if that saves reads. The message is
// then moved down over its frame's header, within the buffer: what has been moved never overtakes
// what is still to be parsed.
func (in *input) lend(buf []byte) bool {
	room := min(cap(buf), borrowed)
	if in.r != in.w || in.message != 0 || room <= len(in.inline) || in.full && room < borrowed {
		return false
	}
	in.r, in.w = 0, 0
	in.free()
	in.buf, in.lent = buf[:room], true
	return true
}

// reclaim moves what is left behind the message out of the reader's buffer.
func (in *input) reclaim() {
	if !in.lent {
		return
	}
	rest := in.buffered()
	in.move(rest, in.bufferFor(len(rest)))
}

func (in *input) free() {
	switch {
	case in.lent:
	case len(in.buf) == borrowed:
		inputs.Put((*[borrowed]byte)(in.buf))
	case len(in.buf) == medium:
		mediums.Put((*[medium]byte)(in.buf))
	}
	in.buf, in.lent = nil, false
}

func (in *input) buffered() []byte { return in.buf[in.r:in.w] }

// rest is a scanner that goes on where in stands. A fault does not stop it: the client's close
// frame is still to come. Behind a length that is none, everything is payload.
func (in *input) rest() frame.Scanner {
	if in.frame.Length < 0 {
		return frame.At(1<<64 - 1)
	}
	return frame.At(uint64(in.left))
}

// waits and waited note that somebody reads, for the wheel. After a pause the client's silence
// counts from now: what it said meanwhile is still to be read. Reads that follow each other, as
// those of a session that polls, are one wait.
func (c *Conn) waits() {
	if now := c.config.live.now.Load(); now > c.in.paused+1 {
		c.in.seen.Store(now)
	}
	c.in.reading.Store(true)
}

func (c *Conn) waited() {
	c.in.reading.Store(false)
	c.in.paused = c.config.live.now.Load()
}

// saw notes a sign of life.
func (c *Conn) saw(n int) {
	if n > 0 {
		c.in.bytes += uint64(n)
		c.in.seen.Store(c.config.live.now.Load())
	}
}
