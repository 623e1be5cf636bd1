package middleware

import (
	"errors"
	"net/http"
	"time"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

// A BrakeConfig says when clients that do not wait are held back. The zero value is meant for
// servers on which an address is a household or a small office.
type BrakeConfig struct {
	// Key says who is counted together. It is asked before anybody is authenticated. nil means
	// [ByIP].
	Key KeyFunc

	// Pause is how long a client should stay away after a denial that gave no time. 0 means 2
	// seconds.
	Pause time.Duration

	// Patience is how often a key may come back too early before it is told anything. Everybody
	// behind one address shares it. 0 means 10.
	Patience int

	// Warnings is how often it is told to wait after that, each time twice as long as the last. 0
	// means 3.
	Warnings int

	// FirstWait is the wait of the first warning. 0 means 4 seconds.
	FirstWait time.Duration

	// Block is how long it is then answered with a status. 0 means a minute.
	Block time.Duration

	// MaxKeys is how many keys there is place for, those that were denied lately. 0 means 16384;
	// the table then takes half a mebibyte.
	MaxKeys int
}

// A Brake is a policy for clients that do not listen. An accepted connection resets the backoff of
// many WebSocket clients, also one that is closed at once with a code: then they come back every
// second for as long as they are denied, whatever their after was. A Brake knows when a key was
// told to come back, and
//
//   - who comes earlier more than Patience times is told a growing wait: 4429
//     slow_down;do=backoff;after=4, then 8 and 16;
//   - who does not listen to that either is answered with a status for the time of Block, 429
//     before any upgrade. That costs next to nothing, a browser's backoff counts it as a failure,
//     and no token, body or query is looked at for it.
//
// After Block the key is judged by the policies behind again, so that nobody stays locked out when
// the reason for the denials has gone. Each wait that is kept halves what a key has on its record,
// and an admission clears it.
//
// It stands directly behind Origin, and is told of denials as an Observer of the same Upgrader;
// mounting it without that is a mistake:
//
//	up := &upgrade.Upgrader{Observer: brake} // upgrade.Observers{brake, metrics}, if there are more
//	r.Use(ws.Origin("https://app.example.com"), ws.Use(brake), …)
//
// WebSocket handshakes alone are counted and held back, not a page's other requests. Denials of
// Origin do not count: other sites cause them in honest people's browsers.
//
// What it does to honest people: those behind one address share its Patience, and an admission of
// one of them clears the record of all. So an office that works is not held back because of one bad
// client in it. In an outage in which all of an office are denied, all of them together come too
// early, and the office hears of it when it is over up to Block later than others. Where many share
// an address, raise Patience to as many, or choose a Key that tells them apart. A Brake is no
// defence against an attacker with many addresses: memory is bounded, and the record that is
// forgotten first is the one whose wait is over first.
//
// It is safe for concurrent use, and who passes costs no allocation.
type Brake struct {
	key     KeyFunc
	pause   time.Duration
	records *brakeTable
}

// NewBrake returns a Brake with records of its own. The error lists every mistake in cfg.
func NewBrake(cfg BrakeConfig) (*Brake, error) {
	var wrong mistakes
	duration := func(name string, d *time.Duration, otherwise time.Duration) {
		if *d < 0 || *d > 24*time.Hour {
			wrong.add("%s must be 0 to 24 hours", name)
		}
		if *d == 0 {
			*d = otherwise
		}
	}
	number := func(name string, n *int, otherwise, most int) {
		if *n < 0 || *n > most {
			wrong.add("%s must be 0 to %d", name, most)
		}
		if *n == 0 {
			*n = otherwise
		}
	}
	duration("Pause", &cfg.Pause, 2*time.Second)
	duration("FirstWait", &cfg.FirstWait, 4*time.Second)
	duration("Block", &cfg.Block, time.Minute)
	number("Patience", &cfg.Patience, 10, 1<<20)
	number("Warnings", &cfg.Warnings, 3, 16)
	number("MaxKeys", &cfg.MaxKeys, 1<<14, 1<<28)
	if err := wrong.err("NewBrake"); err != nil {
		return nil, err
	}
	b := &Brake{key: cfg.Key, pause: cfg.Pause, records: newBrakeTable(cfg)}
	if b.key == nil {
		b.key = ByIP
	}
	return b, nil
}

// MustBrake is [NewBrake] for package variables: it panics on mistakes.
func MustBrake(cfg BrakeConfig) *Brake {
	b, err := NewBrake(cfg)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	slowDown   = policy.Close(codes.TooManyRequests, "slow_down").WithDetail("Too many attempts. Please wait.")
	heldBack   = slowDown.Hide()
	noBrakeKey = policy.Close(codes.InternalServerError, "brake_key_missing")
)

// Judge is the policy.
func (b *Brake) Judge(r *http.Request) policy.Verdict {
	if !asksForUpgrade(r) {
		return policy.Allow()
	}
	key, ok := b.key(r)
	if !ok {
		return noBrakeKey
	}
	switch wait, blocked := b.records.arrive(key); {
	case wait == 0:
		return policy.Allow()
	case blocked:
		return heldBack.WithAfter(wait)
	default:
		return slowDown.WithAfter(wait)
	}
}

// asksForUpgrade is true for every request that can become a handshake.
func asksForUpgrade(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 || r.Method == http.MethodConnect
}

// Observe tells b what became of a handshake.
func (b *Brake) Observe(e upgrade.Event) {
	if e.Kind != upgrade.Settled || e.Request == nil || !asksForUpgrade(e.Request) {
		return
	}
	v := &e.Verdict
	if v.Allowed() && e.Outcome != upgrade.Admitted || e.Policy == "origin" || v.Slug() == slowDown.Slug() || v.Slug() == noBrakeKey.Slug() {
		return
	}
	key, ok := b.key(e.Request)
	switch {
	case !ok:
	case v.Allowed():
		b.records.admitted(key)
	default:
		b.records.denied(key, max(v.After(), b.pause))
	}
}

// Name is "brake".
func (b *Brake) Name() string { return "brake" }

var errBrakeUnobserved = errors.New("middleware: Brake: the Upgrader's Observer does not include it, so that it would never learn of a denial: " +
	"Observer: brake, or upgrade.Observers{brake, …}")

// CheckMount reports that b is not among the Upgrader's Observers.
func (b *Brake) CheckMount(m policy.Mounting) error {
	if !b.isAmong(m.Observer) {
		return errBrakeUnobserved
	}
	return nil
}

func (b *Brake) isAmong(observer any) bool {
	switch o := observer.(type) {
	case *Brake:
		return o == b
	case upgrade.Observers:
		for _, each := range o {
			if b.isAmong(each) {
				return true
			}
		}
	}
	return false
}
