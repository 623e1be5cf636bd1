package transport

import (
	"fmt"
	"net"
	"os"
)

// Read takes what the handler's goroutine has read.
func (s *Stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case s.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case len(s.have) > 0:
			n := copy(p, s.have)
			s.have = s.have[n:]
			if len(s.have) == 0 {
				s.in.Broadcast()
			}
			return n, nil
		case s.err != nil:
			return 0, s.err
		}
		s.in.Wait()
	}
}

// pump reads the body into a small buffer, and while data pours in into a large one.
func (s *Stream) pump() {
	defer s.setPumped()
	for more := false; ; {
		var done bool
		if more, done = s.readPiece(more); done {
			return
		}
	}
}

func (s *Stream) setPumped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pumped = true
	s.out.Broadcast()
}

// readPiece reads once, and waits until what was read is taken.
func (s *Stream) readPiece(more bool) (full, done bool) {
	buf := s.small[:]
	if more {
		piece := pieces.Get().(*[large]byte)
		defer pieces.Put(piece)
		buf = piece[:]
	}
	n, err := s.readBody(buf)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have, s.err = buf[:n], streamError("read", err)
	s.in.Broadcast()
	s.out.Broadcast()
	for len(s.have) > 0 && !s.closed {
		s.in.Wait()
	}
	s.have = nil // buf is given back
	return n == len(buf), s.err != nil || s.closed
}

// readBody keeps a panic of a middleware's body from ending the handler, while others still write.
func (s *Stream) readBody(p []byte) (n int, err error) {
	defer func() {
		if x := recover(); x != nil {
			n, err = 0, fmt.Errorf("the request's body panicked: %v", x)
		}
	}()
	return s.body.Read(p)
}
