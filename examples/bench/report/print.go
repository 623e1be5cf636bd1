package main

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/wsverdict/wsverdict/examples/bench"
)

// summary is one line for each target, and for each row without any.
func summary(rows []*measured) {
	fmt.Printf("\n## Summary\n\n| | wsverdict | ratio | measured against | target | met |\n|---|--:|--:|---|---|---|\n")
	for _, m := range rows {
		targets := m.Targets
		if len(targets) == 0 {
			targets = []bench.Target{{Case: "wsverdict", Unit: m.Metric}}
		}
		for i, t := range targets {
			title := ""
			if i == 0 {
				title = m.Title
			}
			fmt.Printf("| %s | %s |\n", title, strings.Join(m.judge(t), " | "))
		}
	}
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
		against = m.fastest(t.Case, t.Unit)
	}
	ratio := "–"
	if against != t.Case && m.value(against, t.Unit) != 0 {
		ratio = fmt.Sprintf("%.2f", m.ratio(t.Case, against, t.Unit))
	}
	named := against
	switch {
	case against == t.Case:
		named = "–"
	default:
		named += ", " + withUnit(m.value(against, t.Unit), t.Unit)
	}
	target, met := "–", true
	switch {
	case t.Than == bench.EveryPeer:
		target, met = "first", m.ratio(t.Case, against, t.Unit) <= 1
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

// print is a row's own table.
func (m *measured) print() {
	fmt.Printf("\n## %s\n", m.Title)
	if m.Note != "" {
		fmt.Printf("\n%s\n", m.Note)
	}
	columns := m.Columns
	if len(columns) == 0 {
		columns = []string{"ns/op", "B/op", "allocs/op"}
	}
	heads := columns
	if m.PerSecond {
		heads = append([]string{"per second"}, columns...)
	}
	fmt.Printf("\n| | %s | ratio |\n|---|%s--:|\n", strings.Join(heads, " | "), strings.Repeat("--:|", len(heads)))
	for _, c := range m.Cases {
		fmt.Printf("| %s |", c.Name)
		if m.PerSecond {
			fmt.Printf(" %s |", round(1e9/m.value(c.Name, "ns/op")))
		}
		for _, unit := range columns {
			fmt.Printf(" %s |", figure(m.value(c.Name, unit), unit))
		}
		fmt.Printf(" %.2f |\n", m.ratio(c.Name, m.Base, m.Metric))
	}
}

// figure rounds times: their fourth digit is noise. What is counted stays as it is.
func figure(v float64, unit string) string {
	if unit == "ns/op" || strings.HasPrefix(unit, "ms") {
		return round(v)
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
	case unit == "B/conn":
		return figure(v, unit) + " B"
	}
	return figure(v, unit) + " " + unit
}

// round keeps three digits.
func round(v float64) string {
	if v == 0 {
		return "0"
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-2)
	s := strconv.FormatFloat(math.Round(v/unit)*unit, 'f', max(0, int(-math.Floor(math.Log10(unit)))), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
