package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"
)

// setUp is what a reader must know of the clients to judge the figures.
//
//go:embed setup.md
var setUp string

// A document is what is written about a run.
type document struct {
	bytes.Buffer
	bundle    bundle
	load      string // the machine's, before it had this
	setting   setting
	refused   []result
	restarted []result
}

func (d *document) printf(format string, args ...any) { fmt.Fprintf(d, format, args...) }

func (d *document) render(begun time.Time) []byte {
	d.head(begun)
	d.worse()
	d.attempts()
	d.knowledge()
	for _, f := range restarts {
		d.restart(f)
	}
	d.sizes()
	d.printf("%s", setUp)
	return d.Bytes()
}

func (d *document) head(begun time.Time) {
	s := d.setting
	d.printf("# Clients compared\n\n")
	d.printf("Written by `go run ./examples/clients/compare` (once before it: `npm ci --prefix examples/clients`) on %s, in %v. Every figure is from that run; most waits are random, so another run gives others.\n\n",
		begun.UTC().Format(time.DateOnly), time.Since(begun).Round(time.Second))
	d.printf("[This library's client](client.md) beside others that keep a page's WebSocket. Each meets each fault in a Chromium profile of its own, at a server of its own: one\n"+
		"of this library, which speaks as much of the client's protocol as it needs and refuses by the profile of its codes where there is one. Between them is a network with %s each way.\n"+
		"Every client is at its defaults but for [what is said below](#set-up), so that what an application could add is not in the figures.\n\n", span(s.Latency))
	d.printf("- %s, %d cores, load %s when it began; %s\n", browser(d.refused), runtime.NumCPU(), d.load, runtime.Version())
	var versions []string
	for _, c := range packages() {
		versions = append(versions, c+" "+d.bundle.Clients[c].Version)
	}
	d.printf("- %s\n", strings.Join(versions, ", "))
}

// loadNow is the average of the last minute, where the system tells it.
func loadNow() string {
	b, _ := os.ReadFile("/proc/loadavg")
	one, _, ok := strings.Cut(string(b), " ")
	if !ok {
		return "unknown"
	}
	return one
}

// browser is what the pages call themselves.
func browser(results []result) string {
	for _, r := range results {
		if _, rest, ok := strings.Cut(r.browser, "Chrome/"); ok {
			version, _, _ := strings.Cut(rest, " ")
			return "Chromium " + version
		}
	}
	return "unknown browser"
}

func packages() (names []string) {
	for _, c := range clients {
		if c.pkg == "" {
			names = append(names, c.name)
		}
	}
	return names
}

func find(results []result, client, fault string) (r result, ok bool) {
	i := slices.IndexFunc(results, func(r result) bool { return r.client.name == client && r.fault.name == fault })
	if i < 0 {
		return r, false
	}
	return results[i], true
}

// worse says where a peer has the better figure.
func (d *document) worse() {
	d.printf("\n## Where another is better\n\nThan wsverdict, which comes first in each line.\n\n")
	line := func(what, mine string, theirs []string) {
		if len(theirs) > 0 {
			d.printf("- %s: %s; %s\n", what, mine, strings.Join(theirs, ", "))
		}
	}
	before := d.Len()
	for _, f := range refusals {
		mine, _ := find(d.refused, ours, f.name)
		var theirs []string
		for _, r := range d.refused {
			if r.fault.name == f.name && r.client.name != ours && r.client.pkg != ours && r.attempts < mine.attempts {
				theirs = append(theirs, fmt.Sprintf("%s %s", r.client.name, attempts(r)))
			}
		}
		line("Attempts in "+minute(d.setting.Refused)+" of "+f.name, attempts(mine), theirs)
	}
	for _, f := range restarts {
		mine, _ := find(d.restarted, ours, f.name)
		var back, arrived, silent []string
		for _, r := range d.restarted {
			if r.fault.name != f.name || r.client.name == ours {
				continue
			}
			if len(r.back) == r.connections && (r.median() < mine.median() || len(mine.back) < mine.connections) {
				back = append(back, fmt.Sprintf("%s %s", r.client.name, seconds(r.median())))
			}
			if r.gone() < mine.gone() {
				arrived = append(arrived, fmt.Sprintf("%s %d", r.client.name, r.gone()))
			}
			if r.lost < mine.lost {
				silent = append(silent, fmt.Sprintf("%s %d", r.client.name, r.lost))
			}
		}
		line("Back after a "+f.name+", median", seconds(mine.median()), back)
		line("Messages that did not arrive after a "+f.name, fmt.Sprint(mine.gone()), arrived)
		line("Messages lost in silence after a "+f.name, fmt.Sprint(mine.lost), silent)
	}
	mine := d.bundle.Clients[ours].Gzipped
	var smaller []string
	for _, name := range packages() {
		if w := d.bundle.Clients[name]; w.Gzipped < mine {
			smaller = append(smaller, fmt.Sprintf("%s %d B", name, w.Gzipped))
		}
	}
	line("Size", fmt.Sprintf("%d B", mine), smaller)
	if d.Len() == before {
		d.printf("Nowhere in this run.\n")
	}
}

func attempts(r result) string {
	if r.ended {
		return fmt.Sprintf("%d, then it ends", r.attempts)
	}
	return fmt.Sprint(r.attempts)
}

func (d *document) attempts() {
	d.printf("\n## Refused for %s\n\nHow many handshakes came to the server, and of those at %s how many before the %s were over that it had asked for.\n\n",
		minute(d.setting.Refused), "4429", span(limit))
	d.printf("| | %s | %s | of these too early | %s |\n|---|--:|--:|--:|--:|\n", code(stopped), code(limited), forbidden)
	for _, c := range clients {
		cells := make([]string, 0, 4)
		for _, f := range refusals {
			r, ok := find(d.refused, c.name, f.name)
			if !ok {
				cells = append(cells, "–")
				if f.name == limited {
					cells = append(cells, "–")
				}
				continue
			}
			cells = append(cells, attempts(r))
			if f.name == limited {
				cells = append(cells, fmt.Sprint(r.early))
			}
		}
		d.printf("| %s | %s |\n", c.name, strings.Join(cells, " | "))
	}
}

func (d *document) knowledge() {
	d.printf("\n## What the page knew\n\nOf the last refusal, by what the client gives to the page: those of its fields that say why.\n\n")
	d.printf("| | %s | %s | %s |\n|---|---|---|---|\n", code(stopped), code(limited), forbidden)
	for _, c := range clients {
		d.printf("| %s |", c.name)
		for _, f := range refusals {
			r, ok := find(d.refused, c.name, f.name)
			switch {
			case !ok:
				d.printf(" – |")
			case r.knew == "":
				d.printf(" nothing |")
			default:
				d.printf(" %s |", code(r.knew))
			}
		}
		d.printf("\n")
	}
}

func (d *document) restart(f fault) {
	s := d.setting
	d.printf("\n## A %s\n\n", f.name)
	if f.name == shutdown {
		d.printf("`Upgrader.Shutdown` tells the clients within %s (`4503 restart;do=reconnect;after=…`, or what their profile has for it). When all are gone nobody can connect for %s.\n",
			span(graceful), span(s.Down))
	} else {
		d.printf("All connections end without a close frame, and nobody can connect for %s.\n", span(s.Down))
	}
	d.printf("%d connections, each of a page of its own, send a number every %s all the while. *Back* is the time from the server's return to a connection's first number, of those that came within %s.\n"+
		"Each number counts once: *reported* if the client named it as one that did not or may not have arrived, *perhaps* if it said of a number of messages that some may not have,\n"+
		"*in silence* if it said nothing.\n\n", s.Connections, span(s.Every), span(s.Back))
	d.printf("| | back: median | fastest | slowest | came back | sent | arrived | twice | reported | perhaps | lost in silence |\n|---|%s\n", strings.Repeat("--:|", 10))
	for _, c := range clients {
		r, ok := find(d.restarted, c.name, f.name)
		if !ok {
			continue
		}
		median, fastest, slowest := "never", "", ""
		if len(r.back) > 0 {
			median, fastest, slowest = seconds(r.median()), seconds(r.back[0]), seconds(r.back[len(r.back)-1])
		}
		d.printf("| %s | %s | %s | %s | %d of %d | %d | %d | %d | %d | %d | %d |\n", c.name, median, fastest, slowest, len(r.back), r.connections,
			r.sent, r.once+r.twice, r.twice, r.told, r.maybe, r.lost)
	}
}

func (d *document) sizes() {
	d.printf("\n## Size\n\nIn bytes, bundled and minified by esbuild, of what a page imports here.\n\n| | minified | and gzipped |\n|---|--:|--:|\n")
	names := packages()
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(d.bundle.Clients[a].Gzipped, d.bundle.Clients[b].Gzipped) })
	for _, name := range names {
		w := d.bundle.Clients[name]
		d.printf("| %s | %d | %d |\n", name, w.Minified, w.Gzipped)
	}
}

func code(s string) string { return "`" + s + "`" }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// span puts a space before the unit.
func span(d time.Duration) string {
	s := d.String()
	i := strings.IndexFunc(s, unicode.IsLetter)
	return s[:i] + " " + s[i:]
}

func minute(d time.Duration) string {
	if d == time.Minute {
		return "a minute"
	}
	return span(d)
}
