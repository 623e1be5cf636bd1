package upgrade

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// Stats is a snapshot of an Upgrader. Its counters only grow; they are taken one after the other,
// so they may differ by what happens meanwhile.
type Stats struct {
	Live      int // connections that were admitted and are not gone yet
	Lingering int // refused connections that wait for the client's close frame
	Seats     int // taken

	Settled []SettledCount
	Ended   []EndedCount
}

// A SettledCount says how many handshakes were settled in one way. There are at most four for each
// code that the program uses.
type SettledCount struct {
	Code    codes.Code // 0 for admissions
	Outcome Outcome
	Count   uint64
}

// An EndedCount says how many connections ended in one way. Codes from 3000 on that clients chose
// are counted by their thousand.
type EndedCount struct {
	CloseCode uint16
	By        ClosedBy
	Count     uint64
}

// Stats returns a snapshot, the zero Stats of an Upgrader that is not mounted yet. It costs some ten
// microseconds, and holds up nobody.
func (u *Upgrader) Stats() Stats {
	c := u.cfg.Load()
	if c == nil {
		return Stats{}
	}
	c.live.mu.Lock()
	n := c.live.n
	c.live.mu.Unlock()
	return Stats{
		Live:      n,
		Lingering: int(c.lingering.now.Load()),
		Seats:     int(c.seats.Load()),
		Settled:   c.settled.list(),
		Ended:     c.ended.list(),
	}
}

// settledCounts has a row for each code that was ever denied, and one for admissions.
type settledCounts struct {
	admissions outcomes
	denials    [1000]atomic.Pointer[outcomes]
}

type outcomes [Lost + 1]atomic.Uint64

func (s *settledCounts) count(v *policy.Verdict, o Outcome) {
	row := &s.admissions
	if !v.Allowed() {
		at := &s.denials[v.Code()-4000]
		if row = at.Load(); row == nil {
			at.CompareAndSwap(nil, new(outcomes))
			row = at.Load()
		}
	}
	row[o].Add(1)
}

func (s *settledCounts) list() (list []SettledCount) {
	add := func(code codes.Code, row *outcomes) {
		for o := range row {
			if n := row[o].Load(); n > 0 {
				list = append(list, SettledCount{code, Outcome(o), n})
			}
		}
	}
	add(0, &s.admissions)
	for i := range s.denials {
		if row := s.denials[i].Load(); row != nil {
			add(codes.Code(4000+i), row)
		}
	}
	return list
}

// endedCounts has a row for each way in which a connection ended. Clients choose their codes, so
// those from 3000 on are counted by their thousand, and those that may not be sent, which a session
// with raw frames can be sent, as the 1002 that answers them: labels stay few.
type endedCounts struct {
	mu   sync.Mutex
	rows map[EndedCount]uint64 // with Count 0
}

func (e *endedCounts) count(code uint16, by ClosedBy) {
	switch {
	case by != ByClient:
	case code != 1005 && !codes.Sendable(code):
		code = 1002
	case code >= 3000:
		code = code / 1000 * 1000
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.rows == nil {
		e.rows = map[EndedCount]uint64{}
	}
	e.rows[EndedCount{CloseCode: code, By: by}]++
}

func (e *endedCounts) list() (list []EndedCount) {
	e.mu.Lock()
	for row, n := range e.rows {
		row.Count = n
		list = append(list, row)
	}
	e.mu.Unlock()
	slices.SortFunc(list, func(a, b EndedCount) int {
		return cmp.Or(cmp.Compare(a.CloseCode, b.CloseCode), cmp.Compare(a.By, b.By))
	})
	return list
}
