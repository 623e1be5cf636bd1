package middleware

import (
	"hash/maphash"
	"net/http"
	"sync"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A SeatsConfig says how many connections one client may have at a time.
type SeatsConfig struct {
	// Max is the number of live connections per key. Required.
	Max int

	// Key says who is counted together: [ByIP], a JWT handle's BySubject (behind that JWT), or a function of the user's own. nil
	// means ByIP.
	Key KeyFunc
}

// Seats is a policy that allows, and makes the Upgrader take a seat for the connection: when none is left, it is refused with 429
// too_many_connections;do=backoff. The Upgrader gives the seat back when the connection is gone, exactly once. Memory is
// bounded by the number of live connections. It is safe for concurrent use; connections of several Upgraders count together where one
// Seats is mounted in front of each. Mounted twice in one chain it takes two seats for a connection.
type Seats struct {
	max    int
	key    KeyFunc
	seed   maphash.Seed
	shards [16]seatShard
}

type seatShard struct {
	mu    sync.Mutex
	taken map[Key]int
}

// NewSeats returns Seats of its own. The error lists every mistake in cfg.
func NewSeats(cfg SeatsConfig) (*Seats, error) {
	var wrong mistakes
	if cfg.Max <= 0 {
		wrong.add("Max must be positive")
	}
	if err := wrong.err("NewSeats"); err != nil {
		return nil, err
	}
	s := &Seats{max: cfg.Max, key: cfg.Key, seed: maphash.MakeSeed()}
	if s.key == nil {
		s.key = ByIP
	}
	return s, nil
}

// Seats mounts a [Seats] of its own; mount one [NewSeats] with [Chain.Use] in several places where they shall count together.
func (c Chain) Seats(cfg SeatsConfig) func(http.Handler) http.Handler {
	s, err := NewSeats(cfg)
	if err != nil {
		panic(err)
	}
	return c.Use(s)
}

var noSeatKey = policy.Close(codes.InternalServerError, "seats_key_missing")

// Judge is the policy.
func (s *Seats) Judge(r *http.Request) policy.Verdict {
	key, ok := s.key(r)
	if !ok {
		return noSeatKey
	}
	return policy.Allow().WithSeat(&seat{s, key})
}

// Name is "seats".
func (s *Seats) Name() string { return "seats" }

type seat struct {
	seats *Seats
	key   Key
}

func (s *seat) shard() *seatShard { return &s.seats.shards[s.key.hash(s.seats.seed)%16] }

func (s *seat) Take() bool {
	shard := s.shard()
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.taken[s.key] >= s.seats.max {
		return false
	}
	if shard.taken == nil {
		shard.taken = map[Key]int{}
	}
	shard.taken[s.key]++
	return true
}

func (s *seat) Give() {
	shard := s.shard()
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.taken[s.key]--; shard.taken[s.key] <= 0 {
		delete(shard.taken, s.key)
	}
}
