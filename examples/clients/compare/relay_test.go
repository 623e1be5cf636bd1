package main

import (
	"io"
	"net"
	"testing"
	"time"
)

// A relay delays, is cut without loss of its address, and passes the end of a stream on.
func TestRelay(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	const latency = 20 * time.Millisecond
	r, err := newRelay(latency)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time after a cut
		if err := r.open(echo.Addr().String()); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		ended, c := dial(t, r.addr), dial(t, r.addr)
		if _, err := ended.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := ended.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if all, err := io.ReadAll(ended); string(all) != "hello" || err != nil {
			t.Errorf("%q, %v", all, err)
		}
		if took := time.Since(begun); took < 2*latency {
			t.Errorf("there and back in %v", took)
		}

		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // it is joined
			t.Fatal(err)
		}
		r.refuse()
		r.cut()
		if n, _ := io.Copy(io.Discard, c); n != 0 {
			t.Errorf("%d bytes after the cut", n)
		}
		if c, err := net.Dial("tcp", r.addr); err == nil {
			c.Close()
			t.Error("it lets connect")
		}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
