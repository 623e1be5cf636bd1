package browser

import (
	"context"
	"io"
)

// signal is sent to without waiting: one is enough.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func await(ctx context.Context, c chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type received struct {
	text    bool
	message []byte
	err     error
}

// readAll keeps reading, as control frames are dealt with in reads.
func readAll(read func() received) chan received {
	all := make(chan received, 16)
	go func() {
		for {
			r := read()
			all <- r
			if r.err != nil {
				close(all)
				return
			}
		}
	}()
	return all
}

func receiveFrom(all chan received) (bool, []byte, error) {
	r, ok := <-all
	if !ok {
		return false, nil, io.EOF
	}
	return r.text, r.message, r.err
}

// endOf passes over messages.
func endOf(all chan received) error {
	for r := range all {
		if r.err != nil {
			return r.err
		}
	}
	return io.EOF
}

func writeParts(w io.WriteCloser, parts [][]byte) error {
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}
