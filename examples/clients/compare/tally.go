package main

import (
	"slices"
	"time"
)

// A report is what a page says, with an account of each of its connections (page/page.js).
type report struct {
	Accounts []account
	Visible  bool
	Browser  string
}

type account struct {
	Sent        int
	Told, Maybe []int
	Knew        []string
	Ended       bool
}

// A tally is where the messages of a page are in the end. Each counts once, in the first that holds.
type tally struct {
	sent  int
	twice int // arrived more than once
	once  int // arrived
	told  int // the client said of this one that it did not arrive, or may not have
	maybe int // the client said of some, this one among them, that they may not have arrived
	lost  int // in silence
}

func (t *tally) add(a account, h *heard) {
	t.sent += a.Sent
	for number := range a.Sent {
		times := 0
		if h != nil {
			times = h.times[number]
		}
		switch {
		case times > 1:
			t.twice++
		case times == 1:
			t.once++
		case slices.Contains(a.Told, number):
			t.told++
		case slices.Contains(a.Maybe, number):
			t.maybe++
		default:
			t.lost++
		}
	}
}

// gone is how many did not arrive, whatever was said about them.
func (t tally) gone() int { return t.told + t.maybe + t.lost }

// A result is what came of one client's meeting with one fault.
type result struct {
	client client
	fault  fault

	// Of a refusal.
	attempts int
	early    int    // attempts before the wait was over that the server had asked for
	knew     string // what the client told about the last one
	ended    bool

	// Of a restart.
	tally
	back        []time.Duration // sorted: from the server's return to a connection's first message
	connections int

	visible bool
	browser string
}

func (r result) median() time.Duration {
	if len(r.back) == 0 {
		return 0
	}
	return r.back[len(r.back)/2]
}

// result is what the site and its page have to say, of what came within window of the first attempt.
func (s *site) result(p report, window time.Duration) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := result{client: s.client, fault: s.fault, connections: len(p.Accounts), visible: p.Visible, browser: p.Browser, ended: len(p.Accounts) > 0}
	after := s.fault.verdict.After()
	for i, at := range s.attempts {
		if at.Sub(s.attempts[0]) >= window {
			break
		}
		r.attempts++
		if i > 0 && at.Sub(s.attempts[i-1]) < after {
			r.early++
		}
	}
	for i, a := range p.Accounts {
		h := s.heard[i]
		r.add(a, h)
		if h != nil && !h.firstBack.IsZero() {
			r.back = append(r.back, h.firstBack.Sub(h.reopened))
		}
		if n := len(a.Knew); n > 0 {
			r.knew = a.Knew[n-1]
		}
		r.ended = r.ended && a.Ended
	}
	slices.Sort(r.back)
	return r
}
