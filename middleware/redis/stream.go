package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A stream is this process's place in the stream of entries. One goroutine reads it, in order, from
// where it left off: whatever happens to the connection, nothing is missed, and what is read twice
// does no harm.
type stream struct {
	fleet *Fleet
	ready chan struct{}

	// The goroutine's own.
	quiet       position // ends and drains up to here are history: they were about connections of another time
	maintenance position // of the state that Switch has

	mu      sync.Mutex
	at      position      // applied up to here
	moved   chan struct{} // closed when at changes
	contact time.Time     // when Redis last answered
	placed  time.Time     // when it last told its clock,
	clock   time.Time     // which was this, then
}

const (
	blocked  = time.Second / 2  // how long Redis may keep a read waiting
	answered = time.Second      // how much longer an answer may take
	retry    = time.Second / 10 // pause after an error
	compared = time.Minute      // how often clocks are compared, so that none drifts away
)

func (s *stream) init(f *Fleet) {
	s.fleet, s.ready, s.moved = f, make(chan struct{}), make(chan struct{})
}

// follow is the goroutine.
func (s *stream) follow() {
	for s.fleet.done.Err() == nil {
		err := s.catchUp()
		for err == nil && s.fleet.done.Err() == nil {
			if _, err = s.read(blocked); err == nil && time.Since(s.placed) > compared {
				err = s.orient()
			}
		}
		if err != nil && s.fleet.done.Err() == nil {
			s.fleet.failed(OpFollow, err)
			s.fleet.pause(retry)
		}
	}
}

// catchUp reads what was said meanwhile, or all of it the first time.
func (s *stream) catchUp() error {
	if err := s.orient(); err != nil {
		return err
	}
	for {
		n, err := s.read(-1)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	if !s.isReady() {
		close(s.ready)
	}
	return nil
}

func (s *stream) isReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// orient finds out Redis's time, the state of maintenance, and whether the stream is the one that
// was read so far.
func (s *stream) orient() error {
	ctx, cancel := context.WithTimeout(context.Background(), answered)
	defer cancel()
	ends := s.fleet.names.ends()
	var (
		last  *redis.XMessageSliceCmd
		clock *redis.Cmd
		state *redis.StringCmd
	)
	_, err := s.fleet.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		last = p.XRevRangeN(ctx, ends, "+", "-", 1)
		clock = p.Eval(ctx, "return redis.call('TIME')", []string{ends}) // of the node in a Cluster that has the stream
		state = p.Get(ctx, s.fleet.names.maintenance())
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	t, err := clock.Int64Slice()
	if err != nil || len(t) != 2 {
		return fmt.Errorf("TIME: %v, %w", t, err)
	}
	return s.place(last.Val(), state.Val(), time.Unix(t[0], t[1]*1000), time.Now())
}

// place takes the answers. A moment by Redis's clock came with each, and now is the same one by
// this process's.
func (s *stream) place(last []redis.XMessage, state string, redisNow, now time.Time) error {
	var end position
	if len(last) > 0 {
		var err error
		if end, err = parsePosition(last[0].ID); err != nil {
			return err
		}
	}
	s.mu.Lock()
	switch {
	case end.before(s.at): // Redis lost entries (a failover, a restart), and new ones may have come where we had been already
		s.at, s.quiet = position{}, end
	case !s.isReady():
		s.quiet = end
	}
	s.contact, s.placed, s.clock = now, now, redisNow
	s.mu.Unlock()

	id, text, ok := strings.Cut(state, " ")
	if !ok {
		return nil
	}
	at, err := parsePosition(id)
	if err != nil {
		return err
	}
	e, err := parseEntry(text)
	if err != nil {
		return err
	}
	if s.maintenance.before(at) {
		s.maintenance = at
		s.fleet.maintenance.apply(e, s.local(at.after(0)))
	}
	return nil
}

// read applies the entries that have come, or waits for some; a negative wait does not.
func (s *stream) read(wait time.Duration) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), max(0, wait)+answered)
	defer cancel()
	s.mu.Lock()
	at := s.at
	s.mu.Unlock()
	streams, err := s.fleet.client.XRead(ctx, &redis.XReadArgs{
		Streams: []string{s.fleet.names.ends(), at.String()}, Count: batch, Block: wait,
	}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, err
	}
	s.fleet.lanes.to(ctx, s.fleet.names.ends()).succeeded() // Redis is back, before anybody tried
	for _, stream := range streams {
		for _, message := range stream.Messages {
			id, err := parsePosition(message.ID)
			if err != nil {
				return n, err
			}
			if text, ok := message.Values["entry"].(string); ok {
				s.apply(id, text)
			}
			s.move(id)
			n++
		}
	}
	s.mu.Lock()
	s.contact = time.Now()
	s.mu.Unlock()
	return n, nil
}

// local is a moment of Redis's clock by this process's monotonic one: right also where this
// process's wall clock is wrong, or is set meanwhile.
func (s *stream) local(t time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.placed.Add(t.Sub(s.clock))
}

func (s *stream) move(to position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = to
	close(s.moved)
	s.moved = make(chan struct{})
}

// wait waits until this process has applied what is at that position, within the timeout.
func (s *stream) wait(ctx context.Context, p position) {
	ctx, cancel := context.WithTimeout(ctx, s.fleet.cfg.Timeout)
	defer cancel()
	for {
		s.mu.Lock()
		there, moved := !s.at.before(p), s.moved
		s.mu.Unlock()
		if there {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		case <-s.fleet.done.Done():
			return
		}
	}
}

// silence is how long ago Redis was last heard, -1 if it never was.
func (s *stream) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.contact.IsZero() {
		return -1
	}
	return time.Since(s.contact)
}
