package browser

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A witness is a client's connection that knows how the server ended the TCP stream: with a FIN (io.EOF) or a reset. A client
// that closes before it has seen the end is held until it has.
type witness struct {
	net.Conn
	once sync.Once
	end  error
}

func dialWitness(addr string) (*witness, error) {
	conn, err := net.DialTimeout("tcp", addr, testTime)
	if err != nil {
		return nil, err
	}
	return &witness{Conn: conn}, nil
}

func (w *witness) Close() error {
	w.once.Do(func() {
		w.end = w.Conn.SetReadDeadline(time.Now().Add(testTime))
		if w.end == nil {
			_, w.end = io.Copy(io.Discard, w.Conn)
		}
		if w.end == nil { // io.Copy's word for EOF
			w.end = io.EOF
		}
	})
	return w.Conn.Close()
}

var errEarly = errors.New("the client left before the stream ended")

// ended returns how the stream ended, for a client that has closed.
func (w *witness) ended() error {
	early := false
	w.once.Do(func() { early = true })
	if early {
		return errEarly
	}
	return w.end
}
