package transport

import (
	"sync"
	"time"
)

// A deadline wakes up who waits when it has passed. It is guarded by the lock of the condition.
type deadline struct {
	at    time.Time // zero for none
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) set(at time.Time, waiting *sync.Cond) {
	d.at = at
	switch in := time.Until(at); {
	case at.IsZero():
		d.stop()
	case in <= 0:
		d.stop()
		waiting.Broadcast()
	case d.timer == nil:
		d.timer = time.AfterFunc(in, func() {
			waiting.L.Lock() // whoever looked before the deadline waits by now
			defer waiting.L.Unlock()
			waiting.Broadcast()
		})
	default:
		d.timer.Reset(in)
	}
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
