package fleet

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A lane is the way to one node of Redis. What handshakes ask at the same time travels together:
// some pipelines are under way at once, each led by one of those who ask, and who comes meanwhile
// waits for the next. So a crowd costs few system calls, and who is alone waits for nobody. A node
// that is gone has its own breaker: it costs the keys of other nodes nothing.
type lane struct {
	breaker
	mu      sync.Mutex
	waiting []*question
	leaders int
}

// mostLeaders is how many pipelines are under way at once: more than one, so that one lost packet
// does not hold everybody up, and few, so that much travels in each.
const mostLeaders = 2

// A question is a command that somebody waits for.
type question struct {
	run      command
	deadline time.Time   // of the pipeline, if it is to lead
	cmd      redis.Cmder // with its answer

	// The lane's, under its lock.
	woken chan struct{} // closed when there is an answer, or it is to lead
	leads bool
	gone  bool // whoever asked
}

// ask runs a command and returns it with its error. If ctx ends before, there is none, though it may
// still run.
func (l *lane) ask(ctx context.Context, client redis.UniversalClient, deadline time.Time, run command) (redis.Cmder, error) {
	q := &question{run: run, deadline: deadline}
	l.mu.Lock()
	if q.leads = l.leaders < mostLeaders; q.leads {
		l.leaders++
	} else {
		q.woken = make(chan struct{})
		l.waiting = append(l.waiting, q)
	}
	l.mu.Unlock()
	if q.woken != nil {
		select {
		case <-q.woken:
		case <-ctx.Done():
			l.mu.Lock()
			q.gone = true
			leads := q.leads
			l.mu.Unlock()
			if leads {
				l.pass()
			}
			return nil, ctx.Err()
		}
	}
	if q.leads {
		l.lead(ctx, client, q)
	}
	return q.cmd, q.cmd.Err()
}

// lead sends what is waiting, with q.
func (l *lane) lead(ctx context.Context, client redis.UniversalClient, q *question) {
	defer l.pass()
	asked := []*question{q}
	l.mu.Lock()
	n := min(len(l.waiting), batch-1)
	for _, other := range l.waiting[:n] {
		if !other.gone {
			asked = append(asked, other)
		}
	}
	l.waiting = append(l.waiting[:0], l.waiting[n:]...)
	l.mu.Unlock()

	// Others do not lose their answer because q's client has gone.
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), q.deadline)
	defer cancel()
	if len(asked) == 1 {
		q.cmd = q.run(ctx, client)
	} else {
		client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, q := range asked {
				q.cmd = q.run(ctx, p)
			}
			return nil
		})
	}
	answered := func(q *question) bool { return q.cmd.Err() == nil || isReply(q.cmd.Err()) }
	if slices.ContainsFunc(asked, func(q *question) bool { return !answered(q) }) {
		l.failed(time.Now())
	} else {
		l.succeeded() // an error that Redis answered costs nobody a timeout
	}
	for _, other := range asked[1:] {
		close(other.woken)
	}
}

// pass lets another lead who waits, if any does: whoever came last has the most time left.
func (l *lane) pass() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := len(l.waiting) - 1; n >= 0; n-- {
		q := l.waiting[n]
		l.waiting = l.waiting[:n]
		if !q.gone {
			q.leads = true
			close(q.woken)
			return
		}
	}
	l.leaders--
}

// lanes are those to all nodes.
type lanes struct {
	one     lane // where there is no Cluster, or it cannot be found out what nodes it has
	cluster *redis.ClusterClient
	nodes   sync.Map // *lane by the node's address
}

func (l *lanes) to(ctx context.Context, key string) *lane {
	if l.cluster == nil || l.one.open() {
		return &l.one
	}
	node, err := l.cluster.MasterForKey(ctx, key) // asks Redis the first time alone
	if err != nil {
		return &l.one
	}
	found, ok := l.nodes.Load(node.Options().Addr)
	if !ok {
		found, _ = l.nodes.LoadOrStore(node.Options().Addr, new(lane))
	}
	return found.(*lane)
}

// open says whether one of the breakers is.
func (l *lanes) open() bool {
	open := l.one.open()
	l.nodes.Range(func(_, node any) bool {
		open = open || node.(*lane).open()
		return !open
	})
	return open
}

// isReply says whether Redis itself answered with the error.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
