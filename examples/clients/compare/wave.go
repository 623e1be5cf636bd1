package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wsverdict/wsverdict/examples/internal/chrome"
)

// A setting is how long and how much.
type setting struct {
	Latency     time.Duration // of the network, each way
	Refused     time.Duration // how long a refusal is watched
	Connections int           // for each client that meets a restart
	Every       time.Duration // how often each says a number
	Before      int           // numbers that have arrived before the server ends
	Down        time.Duration // from its end to the next one
	Back        time.Duration // how long it is waited for clients
	Settle      time.Duration // from the last number to the account
}

var full = setting{
	Latency: 50 * time.Millisecond, Refused: time.Minute,
	Connections: 10, Every: 50 * time.Millisecond, Before: 40, Down: 3 * time.Second, Back: 45 * time.Second, Settle: 6 * time.Second,
}

// patience is for a browser that hangs: nothing should come near it.
const patience = 2 * time.Minute

// wave has clients meet faults, all at the same time: each pair has a server and a browser profile of
// its own.
func wave(ctx context.Context, clients []client, faults []fault, script []byte, s setting) ([]result, error) {
	var pairs []result
	for _, f := range faults {
		for _, c := range clients {
			if c.only == nil || slices.Contains(c.only, f.name) {
				pairs = append(pairs, result{client: c, fault: f})
			}
		}
	}
	failed := make([]error, len(pairs))
	var meetings sync.WaitGroup
	for i, p := range pairs {
		meetings.Go(func() {
			var err error
			if pairs[i], err = meet(ctx, p.client, p.fault, script, s); err != nil {
				failed[i] = fmt.Errorf("%s, %s: %w", p.client.name, p.fault.name, err)
			}
		})
	}
	meetings.Wait()
	return pairs, errors.Join(failed...)
}

// meet opens a tab with a client, and does to it what the fault says.
func meet(ctx context.Context, c client, f fault, script []byte, s setting) (r result, err error) {
	site, err := newSite(c, f, script, s.Latency)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, site.stop()) }()
	connections, every := 1, 0
	if f.end != nil {
		connections, every = s.Connections, int(s.Every/time.Millisecond)
	}
	tab, closeTab, err := chrome.Open()
	if err != nil {
		return r, err
	}
	defer closeTab()
	address := fmt.Sprintf("http://%s/?client=%s&connections=%d&every=%d", site.relay.addr, url.QueryEscape(c.name), connections, every)
	if err := chromedp.Do(tab, chromedp.Navigate(address)); err != nil {
		return r, err
	}

	watch := watchRefusals
	if f.end != nil {
		watch = watchRestart
	}
	if err := watch(ctx, site, s); err != nil {
		return r, err
	}
	if err := chromedp.Do(tab, chromedp.Evaluate[chromedp.Void]("stop()")); err != nil {
		return r, err
	}
	if f.end != nil {
		if err := pause(ctx, s.Settle); err != nil {
			return r, err
		}
	}
	p, err := chromedp.Run(tab, chromedp.Evaluate[report]("report()"))
	if err != nil {
		return r, err
	}
	return site.result(p, s.Refused), nil
}

// watchRefusals waits until the time is over that began with the first attempt.
func watchRefusals(ctx context.Context, site *site, s setting) error {
	var first time.Time
	tried := func() (ok bool) {
		first, ok = site.first()
		return ok
	}
	if !await(ctx, patience, tried) {
		return errors.New("it does not try to connect")
	}
	return pause(ctx, time.Until(first.Add(s.Refused)))
}

// watchRestart ends the server when everybody is at work, and waits until everybody is back.
func watchRestart(ctx context.Context, site *site, s setting) error {
	working := func() bool {
		return site.count(func(h *heard) bool { return len(h.times) >= s.Before }) == s.Connections
	}
	if !await(ctx, patience, working) {
		return errors.New("not every connection works")
	}
	if err := site.restart(ctx, s.Down); err != nil {
		return err
	}
	await(ctx, s.Back, func() bool {
		return site.count(func(h *heard) bool { return !h.firstBack.IsZero() }) == s.Connections
	})
	return ctx.Err()
}

// await looks until it holds, and reports whether it did in time.
func await(ctx context.Context, limit time.Duration, holds func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
