package transport

import (
	"cmp"
	"net"
	"os"
	"sync"
)

// buffered is what net/http's writer takes without waiting, and large what goes into one frame.
const (
	buffered = 4 << 10
	large    = 16 << 10
)

var pieces = sync.Pool{New: func() any { return new([large]byte) }}

// Write writes p, in pieces. If it fails or is given up, the stream is of no more use. Only one
// goroutine writes at a time.
func (s *Stream) Write(p []byte) (int, error) { return s.write(p, false) }

// write flushes at least once if the header is still to go.
func (s *Stream) write(p []byte, header bool) (n int, err error) {
	for ; len(p) > 0 || header; header = false {
		piece := p[:min(len(p), large)]
		if err := s.send(piece, header); err != nil {
			return n, err
		}
		n, p = n+len(piece), p[len(piece):]
	}
	return n, nil
}

func (s *Stream) send(piece []byte, header bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return net.ErrClosed
	case s.broken != nil:
		return s.broken
	case s.writeBy.passed():
		return os.ErrDeadlineExceeded
	}
	s.flushing = true
	s.using++
	s.mu.Unlock()
	var err error
	switch {
	case len(piece) > buffered:
		s.piece = pieces.Get().(*[large]byte)
		s.size = copy(s.piece[:], piece)
	case len(piece) > 0:
		_, err = s.w.Write(piece)
	}
	if err == nil {
		go s.run()
	} else {
		s.wrote(err)
	}
	s.mu.Lock()
	for s.flushing {
		switch {
		case s.closed:
			return s.leave(net.ErrClosed)
		case s.writeBy.passed():
			return s.leave(os.ErrDeadlineExceeded)
		}
		s.out.Wait()
	}
	if s.broken != nil && !header { // the header's is the goroutine that reads the body later
		s.explain()
	}
	return s.broken
}

// explain waits for the body to say why a write has failed, which it does a moment later where the
// stream was reset; the handler may not have begun to read it yet. mu is held.
func (s *Stream) explain() {
	for !s.pumped && len(s.have) == 0 && !s.closed && !s.writeBy.passed() {
		s.out.Wait()
	}
	if reset, ok := s.err.(*StreamError); ok {
		s.broken = reset
	}
}

// flush is a goroutine: the only one that may wait for the client.
func (s *Stream) flush() {
	var err error
	if s.piece != nil {
		_, err = s.w.Write(s.piece[:s.size])
		pieces.Put(s.piece)
		s.piece = nil
	}
	if err == nil {
		err = s.w.FlushError()
	}
	s.wrote(err)
}

// wrote notes how a write went.
func (s *Stream) wrote(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flushing = false; err != nil {
		s.broken = cmp.Or(s.broken, streamError("write", err))
	}
	s.unuse()
}

// leave gives a write up, and resets the stream under it. mu is held.
func (s *Stream) leave(err error) error {
	s.broken = err
	s.using++
	go func() {
		s.w.SetWriteDeadline(past) // a reset, at once
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unuse()
	}()
	return err
}
