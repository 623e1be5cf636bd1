package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/wsverdict/wsverdict/examples/bench"
	"github.com/wsverdict/wsverdict/examples/bench/storm"
)

// summary is one line for each target, and for each row without any that has a case of this library's name.
func (d *document) summary(rows []*measured) {
	d.printf("\n## Summary\n\n| | wsverdict | ratio | measured against | target | met |\n|---|--:|--:|---|---|---|\n")
	for _, m := range rows {
		targets := m.Targets
		if len(targets) == 0 && m.has("wsverdict") {
			targets = []bench.Target{{Case: "wsverdict", Unit: m.Metric}}
		}
		for i, t := range targets {
			title := ""
			if i == 0 {
				title = m.Title
			}
			d.printf("| %s | %s |\n", title, strings.Join(m.judge(t), " | "))
		}
	}
}

// slower says where a peer is better, whatever was promised.
func (d *document) slower(rows []*measured) {
	d.printf("\n## Where a peer is better\n\n")
	before := d.Len()
	for _, m := range rows {
		units := []string{m.Metric}
		for _, unit := range []string{"p99-µs", "peak-MB", "ms-until-back"} {
			if unit != m.Metric && slices.Contains(m.Columns, unit) {
				units = append(units, unit)
			}
		}
		for _, unit := range units {
			peer := m.best(unit)
			if !m.has("wsverdict") || peer == "" || m.value("wsverdict", unit) <= m.value(peer, unit) {
				continue
			}
			d.printf("- %s: %s, %s %s\n", m.Title, withUnit(m.value("wsverdict", unit), unit), peer, withUnit(m.value(peer, unit), unit))
		}
	}
	if d.Len() == before {
		d.printf("Nowhere in this run.\n")
	}
	d.printf("\nRows that are marked as floors, or do with less than everybody else (all checks by hand around gobwas, static bytes), are not counted as peers here; they stand in the tables.\n")
}

// judge is a target's line: what was measured, its ratio to what, what was promised, whether it holds.
func (m *measured) judge(t bench.Target) []string {
	ours := m.value(t.Case, t.Unit)
	figure := withUnit(ours, t.Unit)
	if what, ok := strings.CutPrefix(t.Case, "wsverdict, "); ok {
		figure += " (" + what + ")"
	}
	against := cmp.Or(t.Than, t.More, m.Base)
	if against == bench.EveryPeer {
		against = m.best(t.Unit)
	}
	ratio, named := "–", "–"
	switch {
	case t.Least > 0:
	case against != t.Case:
		named = against + ", " + withUnit(m.value(against, t.Unit), t.Unit)
		if m.value(against, t.Unit) != 0 {
			ratio = fmt.Sprintf("%.2f", m.ratio(t.Case, against, t.Unit))
		}
	}
	target, met := "–", true
	switch {
	case t.Least > 0:
		target, met = "≥ "+withUnit(t.Least, t.Unit), ours >= t.Least
	case t.Than == bench.EveryPeer && t.Most == 0:
		target, met = "first", m.ratio(t.Case, against, t.Unit) <= 1
	case t.Than == bench.EveryPeer:
		target, met = fmt.Sprintf("≤ %v × the best peer", t.Most), m.ratio(t.Case, against, t.Unit) <= t.Most
	case t.Than != "":
		target, met = fmt.Sprintf("≤ %v × %s", t.Most, t.Than), m.ratio(t.Case, t.Than, t.Unit) <= t.Most
	case t.More != "":
		target, met = fmt.Sprintf("≤ %s more than %s", withUnit(t.Most, t.Unit), t.More), ours-m.value(t.More, t.Unit) <= t.Most
	case len(m.Targets) > 0 && t.Most == 0:
		target, met = withUnit(0, t.Unit), ours == 0
	case len(m.Targets) > 0:
		target, met = "≤ "+withUnit(t.Most, t.Unit), ours <= t.Most
	}
	verdict := "yes"
	switch {
	case target == "–":
		verdict = "–"
	case !met:
		verdict = "**no**"
	}
	return []string{figure, ratio, named, target, verdict}
}

// table is a row's own table, with its plots.
func (d *document) table(m *measured) {
	d.printf("\n## %s\n", m.Title)
	if m.Note != "" {
		d.printf("\n%s\n", m.Note)
	}
	columns := m.Columns
	if len(columns) == 0 {
		columns = []string{"ns/op", "B/op", "allocs/op"}
	}
	heads := columns
	if m.PerSecond {
		heads = append([]string{"per second"}, columns...)
	}
	d.printf("\n| | %s | ratio |\n|---|%s--:|\n", strings.Join(heads, " | "), strings.Repeat("--:|", len(heads)))
	for _, c := range m.Cases {
		d.printf("| %s |", c.Name)
		if m.PerSecond {
			d.printf(" %s |", round(1e9/m.value(c.Name, "ns/op")))
		}
		for _, unit := range columns {
			d.printf(" %s |", figure(m.value(c.Name, unit), unit))
		}
		d.printf(" %.2f |\n", m.ratio(c.Name, m.Base, m.Metric))
	}
	var bars []bar
	lines := lines{step: m.SeriesStep.Seconds()}
	for _, c := range m.Cases {
		bars = append(bars, bar{c.Name, m.value(c.Name, m.Metric), withUnit(m.value(c.Name, m.Metric), m.Metric)})
		if m.Series != nil {
			lines.add(c.Name, m.Series(c.Name))
		}
	}
	if len(bars) > 2 {
		d.plot(m.Name, m.Title+": "+m.Metric, barChart(m.Title, m.Metric, bars))
	}
	d.plot(m.Name+"-time", m.Title+": attempts over time", lines.chart("Handshakes that arrive, each tenth of a second"))
}

// profiles say where the time of a handshake goes.
func (d *document) profiles(all []storm.Profile) {
	if len(all) == 0 {
		return
	}
	d.printf("\n## Where the time of a handshake goes\n\n" +
		"CPU profiles of whole servers, in %% of their samples, with the µs of CPU that a handshake takes (profiled, so a little more than above). A sample belongs to the innermost part that its stack names: " +
		"what the Go runtime does on behalf of net/http, allocating above all, is net/http's. What stands under `kernel: TCP`, `net/http` and `Go runtime` is what any server " +
		"on net/http pays, whatever its library does; the rest is what libraries can differ in.\n\n" +
		"Of the system calls of a handshake that is refused by a close frame, wsverdict makes one write, a read or two and one close. Accepting makes the others, whatever the library: accept4, getsockname, two epoll_ctl " +
		"and five setsockopt. Four of these turn TCP's keepalive on; a listener of `net.ListenConfig{KeepAlive: -1}` spares them where the Upgrader's pings find dead peers anyway (PingInterval).\n")
	d.printf("\n| | µs |")
	for _, part := range storm.Parts {
		d.printf(" %s |", part)
	}
	d.printf("\n|---|%s\n", strings.Repeat("--:|", len(storm.Parts)+1))
	var stacks []stack
	for _, p := range all {
		d.printf("| %s: %s | %s |", p.Storm, p.Library, round(p.Micros))
		s := stack{name: p.Storm + ": " + p.Library}
		for _, share := range p.Shares {
			d.printf(" %.0f |", 100*share)
			s.values = append(s.values, share*p.Micros)
		}
		d.printf("\n")
		stacks = append(stacks, s)
	}
	d.plot("profile", "Where the time of a handshake goes", stackChart("µs of CPU for each handshake", storm.Parts, stacks))
	for _, p := range all {
		if p.Library != "wsverdict" {
			continue
		}
		by := map[string]float64{}
		for i, part := range storm.Parts {
			by[part] = 100 * p.Shares[i]
		}
		d.printf("\n%s on wsverdict: of %s µs, %.0f %% are the kernel's, net/http's and the runtime's; the signature and the token take %.0f %%, SHA-1 for the accept key %.0f %%, "+
			"this library %.0f %%, which is what could still be gained in it.\n", p.Storm, round(p.Micros),
			by["kernel: TCP"]+by["net/http"]+by["Go runtime: collector"]+by["Go runtime: scheduler"], by["signature"]+by["JWT: base64, JSON, claims"], by["SHA-1"], by["wsverdict"])
	}
}

// chains say where the time of a chain in memory goes.
func (d *document) chains(all []bench.Profile) {
	if len(all) == 0 {
		return
	}
	d.printf("\n### In memory\n\n" +
		"CPU profiles of the chains with a token, on chi, in ns for each handshake; they are compared in the rows of whole chains. What the Go runtime does for a part, allocating above all, is that part's, and `collector` what it does for none. " +
		"`golang-jwt` is base64, JSON and the validation of claims, `names, crit` the search for what that lets pass, `token` to find the token, to remember it, and each copy of its claims; `request with claims` is the request that later " +
		"policies find them in, `clock` three readings (limit, token, deadline), `harness` what answers for a server.\n")
	d.printf("\n| |")
	for _, p := range all {
		d.printf(" %s |", p.Name)
	}
	d.printf("\n|---|%s\n", strings.Repeat("--:|", len(all)))
	ours := make([]float64, len(all))
	for i, part := range bench.Parts {
		d.printf("| %s |", part)
		for j, p := range all {
			nanos := p.Shares[i] * p.Nanos
			if !bench.Foreign(part) {
				ours[j] += nanos
			}
			d.printf(" %s |", round(nanos))
		}
		d.printf("\n")
	}
	for j, p := range all {
		d.printf("\n%s: of %s ns, %s are chi's, golang-jwt's, the signature's, the hashes', the clock's and the collector's, which no change here makes fewer; this library takes %s, which is what could still be gained in it.\n",
			p.Name, round(p.Nanos), round(p.Nanos-ours[j]), round(ours[j]))
	}
}

// figure rounds times: their fourth digit is noise. What is counted stays as it is.
func figure(v float64, unit string) string {
	switch {
	case unit == "ns/op", strings.HasPrefix(unit, "ms"), strings.HasSuffix(unit, "µs"), strings.HasSuffix(unit, "/s"), unit == "attempts", unit == "commands", unit == "later", strings.HasSuffix(unit, "MB"):
		return round(v)
	case strings.HasSuffix(unit, "%"):
		return strconv.FormatFloat(math.Floor(v*10)/10, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func withUnit(v float64, unit string) string {
	switch {
	case unit == "ns/op" && v >= 1000:
		return round(v/1000) + " µs"
	case unit == "ns/op":
		return round(v) + " ns"
	case strings.HasPrefix(unit, "ms") && v >= 1000:
		return round(v/1000) + " s"
	case strings.HasPrefix(unit, "ms"):
		return round(v) + " ms"
	case unit == "allocs/op" && v == 1:
		return "1 allocation"
	case unit == "allocs/op":
		return figure(v, unit) + " allocations"
	case strings.HasPrefix(unit, "B/"):
		return figure(v, unit) + " B"
	case unit == "cpu-µs":
		return figure(v, unit) + " µs of CPU"
	case strings.HasSuffix(unit, "-µs"):
		return figure(v, unit) + " µs " + strings.TrimSuffix(unit, "-µs")
	case strings.HasSuffix(unit, "-%"):
		return figure(v, unit) + " % " + strings.TrimSuffix(unit, "-%")
	}
	return figure(v, unit) + " " + unit
}

// round keeps three digits.
func round(v float64) string {
	if v == 0 {
		return "0"
	}
	if v < 0 {
		return "-" + round(-v)
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-2)
	s := strconv.FormatFloat(math.Round(v/unit)*unit, 'f', max(0, int(-math.Floor(math.Log10(unit)))), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
