package upgrade_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestReadIntoAnyBuffer: whatever room the reader's buffer has, and however the stream is cut into
// frames and segments, messages arrive as they were sent. The buffer is the reader's again when
// Read has returned.
func TestReadIntoAnyBuffer(t *testing.T) {
	sizes := []int{0, 1, 100, 125, 126, 131, 138, 139, 140, 500, 4095, 4096, 5000, 16 << 10, 18<<10 - 8, 18 << 10, 20000, 70000}
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		var stream []byte
		var want [][]byte
		for range 60 {
			message := make([]byte, sizes[random.IntN(len(sizes))])
			for i := range message {
				message[i] = byte(random.Uint32())
			}
			want = append(want, message)
			stream = append(stream, cut(random, message)...)
		}
		result := make(chan error, 1)
		addr := newServer(t, (&upgrade.Upgrader{}).Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
			result <- readAll(ctx, c, rand.New(rand.NewPCG(seed, 2)), want)
			return nil
		})))
		c, _ := handshake(t, addr)
		for len(stream) > 0 {
			n := min(len(stream), 1+random.IntN(1<<(1+random.IntN(17))))
			c.send(string(stream[:n]))
			stream = stream[n:]
		}
		if err := receive(t, result); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// cut is a message in frames, with pings in between.
func cut(random *rand.Rand, message []byte) (frames []byte) {
	op := ws.OpBinary
	for fin := false; !fin; op = ws.OpContinuation {
		n := len(message)
		if random.IntN(3) == 0 {
			n = random.IntN(n + 1)
		}
		fin = n == len(message)
		frames = append(frames, masked(ws.NewFrame(op, fin, bytes.Clone(message[:n])))...)
		message = message[n:]
		if random.IntN(8) == 0 {
			frames = append(frames, masked(ws.NewPingFrame([]byte("still there")))...)
		}
	}
	return frames
}

func readAll(ctx context.Context, c *upgrade.Conn, random *rand.Rand, want [][]byte) error {
	buffers := [][]byte{nil, make([]byte, 140), make([]byte, 4<<10), make([]byte, 16<<10), make([]byte, 18<<10), make([]byte, 100000)}
	for _, want := range want {
		buf := buffers[random.IntN(len(buffers))]
		_, got, err := c.Read(ctx, buf)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return errors.New("a message arrived changed")
		}
		for i := range buf[:cap(buf)] {
			buf[:cap(buf)][i] = 0xff // nothing that is still to come lies here
		}
	}
	return nil
}

// TestInterruptedReadKeepsItsBytes: half a header that lay in the buffer of a reader that gave up
// is there for the next one.
func TestInterruptedReadKeepsItsBytes(t *testing.T) {
	sent, gaveUp, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	addr := newServer(t, (&upgrade.Upgrader{}).Handler(run(func(ctx context.Context, c *upgrade.Conn) error {
		<-sent
		buf := make([]byte, 1000)
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, _, err := c.Read(short, buf); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first read: %v, want its context's error", err)
		}
		clear(buf)
		close(gaveUp)
		_, got, err := c.Read(ctx, buf)
		if err == nil && string(got) != "whole" {
			err = errors.New("the message arrived changed")
		}
		result <- err
		return nil
	})))
	c, _ := handshake(t, addr)
	frame := masked(ws.NewTextFrame([]byte("whole")))
	c.send(frame[:3])
	close(sent)
	receive(t, gaveUp)
	c.send(frame[3:])
	if err := receive(t, result); err != nil {
		t.Fatal(err)
	}
}
