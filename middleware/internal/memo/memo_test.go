package memo_test

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"
	"unsafe"

	"github.com/wsverdict/wsverdict/middleware/internal/memo"
)

func random() (k memo.Key) {
	rand.Read(k[:])
	return k
}

func TestTable(t *testing.T) {
	now := time.Now()
	table := memo.New[string](1000)
	if n := table.Places(); n < 1000 || n > 2048 {
		t.Errorf("%d places", n)
	}
	key := random()
	if _, ok := table.Get(key, now); ok {
		t.Error("something is remembered")
	}
	table.Put(key, "old", now, now.Add(time.Hour))
	table.Put(key, "new", now, now.Add(time.Minute))
	for _, tc := range []struct {
		name string
		key  memo.Key
		at   time.Time
		want string
	}{
		{"at once", key, now, "new"},
		{"in time", key, now.Add(time.Minute - 1), "new"},
		{"at its end", key, now.Add(time.Minute), ""},
		{"the clock was set back", key, now.Add(-1), ""},
		{"another key", random(), now, ""},
		{"no key", memo.Key{}, now, ""},
	} {
		if got, ok := table.Get(tc.key, tc.at); got != tc.want || ok != (tc.want != "") {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, ok, tc.want)
		}
	}
}

// A key that differs in any one bit is another.
func TestEveryBitOfTheKeyCounts(t *testing.T) {
	now := time.Now()
	table := memo.New[int](8)
	key := random()
	table.Put(key, 1, now, now.Add(time.Hour))
	for bit := range 128 {
		other := key
		other[bit/8] ^= 1 << (bit % 8)
		if _, ok := table.Get(other, now); ok {
			t.Errorf("bit %d does not", bit)
		}
	}
}

// A flood of others does not take the place of what is asked for now and then, wherever it stood;
// what has ended makes room first.
func TestFlood(t *testing.T) {
	now := time.Now()
	table := memo.New[int](1)
	old, used := random(), random()
	table.Put(old, 1, now, now.Add(time.Second))
	for range 6 {
		table.Put(random(), 2, now, now.Add(time.Hour))
	}
	table.Put(used, 3, now, now.Add(time.Hour)) // in the last place
	for i := range 1000 {
		if _, ok := table.Get(used, now); !ok {
			t.Fatalf("gone after %d", i)
		}
		table.Put(random(), 4, now, now.Add(time.Hour))
	}
	if _, ok := table.Get(old, now); !ok {
		t.Fatal("what is not used was not in the way, and had to go")
	}
	later := now.Add(time.Minute)
	next, last := random(), random()
	table.Put(next, 5, later, later.Add(time.Hour)) // in the place of old
	table.Put(last, 6, later, later.Add(time.Hour)) // in the last place
	if _, ok := table.Get(next, later); !ok {
		t.Error("what has ended did not make room")
	}
	if _, ok := table.Get(old, now); ok {
		t.Error("what has ended keeps its place")
	}
}

// Keys in sequence, as a bad hash would give, still find their own.
func TestManyKeys(t *testing.T) {
	now := time.Now()
	table := memo.New[uint64](1 << 10)
	for i := range uint64(1 << 12) {
		var key memo.Key
		binary.BigEndian.PutUint64(key[:], i<<52)
		key[15] = byte(i)
		table.Put(key, i, now, now.Add(time.Hour))
		if got, ok := table.Get(key, now); !ok || got != i {
			t.Fatalf("%d: got %d, %v", i, got, ok)
		}
	}
}

func TestTableDoesNotAllocate(t *testing.T) {
	now := time.Now()
	table := memo.New[unsafe.Pointer](1 << 10)
	key := random()
	if n := testing.AllocsPerRun(100, func() {
		table.Put(key, nil, now, now.Add(time.Hour))
		table.Get(key, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
