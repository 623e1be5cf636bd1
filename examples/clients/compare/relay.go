package main

import (
	"net"
	"sync"
	"time"
)

// A relay stands between the pages and a server: a network with a latency, at an address that stays
// the same while servers come and go.
type relay struct {
	addr    string        // where pages connect to
	latency time.Duration // each way

	mu       sync.Mutex
	listener net.Listener
	server   string // where the server is
	conns    map[net.Conn]bool
}

func newRelay(latency time.Duration) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	return &relay{addr: addr, latency: latency, conns: map[net.Conn]bool{}}, l.Close()
}

// open lets pages connect, to the server at addr.
func (r *relay) open(addr string) error {
	l, err := net.Listen("tcp", r.addr)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); l, err = net.Listen("tcp", r.addr) {
		time.Sleep(50 * time.Millisecond) // meanwhile it may be the port of somebody's outgoing connection
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener, r.server = l, addr
	go func() {
		for {
			page, err := l.Accept()
			if err != nil {
				return
			}
			go r.join(page, addr)
		}
	}()
	return nil
}

// refuse lets nobody connect any more.
func (r *relay) refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listener != nil {
		_ = r.listener.Close()
	}
}

// cut ends every connection without a word of WebSocket. What is under way is lost.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
}

func (r *relay) join(page net.Conn, addr string) {
	defer page.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	r.mu.Lock()
	r.conns[page], r.conns[server] = true, true
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.carry(server, page) })
	both.Go(func() { r.carry(page, server) })
	both.Wait()
	r.mu.Lock()
	delete(r.conns, page)
	delete(r.conns, server)
	r.mu.Unlock()
}

// carry copies what it reads, and the end of it, one latency later.
func (r *relay) carry(to, from net.Conn) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1000)
	go func() {
		defer close(pieces)
		for {
			data := make([]byte, 4096)
			n, err := from.Read(data)
			pieces <- piece{time.Now().Add(r.latency), data[:n]} // the end too has a latency
			if err != nil {
				return
			}
		}
	}()
	var failed error
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if failed == nil {
			_, failed = to.Write(p.data)
		}
		if failed != nil {
			_ = from.Close() // so that nothing more is read
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
