package main

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Plots are SVGs of a fixed width whose colours follow the reader's light or dark setting; bars and lines carry their names, so that
// none depends on colour alone.
const (
	plotWidth = 880
	nameWidth = 300
	barHeight = 22
	style     = `<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-weight:600}
.axis{stroke:#8b949e;stroke-width:1;fill:none}
.ours{fill:#0969da}.other{fill:#8b949e}
.dim{fill:#59636e}
%s@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.ours{fill:#58a6ff}.other{fill:#6e7681}}
</style>
`
)

// palette are colours that are told apart on white and on black, by the colour-blind too.
var palette = []string{"#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#0969da", "#997700", "#885588"}

func svg(height int, title, more, body string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`+"\n<title>%s</title>\n",
		plotWidth, height, html.EscapeString(title)) + fmt.Sprintf(style, more) + body + "</svg>\n"
}

func text(x, y float64, class, anchor, s string) string {
	return fmt.Sprintf(`<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(s))
}

// A bar is one case.
type bar struct {
	name  string
	value float64
	label string
}

// barChart has a bar for each case; less is better.
func barChart(title, unit string, bars []bar) string {
	const most = plotWidth - nameWidth - 130
	longest := slices.MaxFunc(bars, func(a, b bar) int { return int(math.Copysign(1, a.value-b.value)) }).value
	if longest <= 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(text(0, 16, "title", "start", title))
	b.WriteString(text(plotWidth, 16, "dim", "end", unit+", less is better"))
	for i, c := range bars {
		y := float64(30 + i*(barHeight+6))
		class := "other"
		if strings.HasPrefix(c.name, "wsverdict") {
			class = "ours"
		}
		width := math.Max(1, most*math.Max(0, c.value)/longest)
		b.WriteString(text(nameWidth-8, y+16, "", "end", c.name))
		fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="%.1f" height="%d" rx="2" class="%s"/>`+"\n", nameWidth, y, width, barHeight, class)
		b.WriteString(text(nameWidth+width+6, y+16, "", "start", c.label))
	}
	return svg(30+len(bars)*(barHeight+6)+4, title, "", b.String())
}

// A stack is a bar of several parts.
type stack struct {
	name   string
	values []float64
}

func stackChart(title string, parts []string, stacks []stack) string {
	const perLine = 4
	longest := 0.0
	for _, s := range stacks {
		longest = math.Max(longest, total(s.values))
	}
	if longest <= 0 {
		return ""
	}
	var b, classes strings.Builder
	b.WriteString(text(0, 16, "title", "start", title))
	for i, part := range parts {
		x, y := float64(i%perLine)*plotWidth/perLine, float64(28+i/perLine*20)
		fmt.Fprintf(&classes, ".p%d{fill:%s}", i, palette[i%len(palette)])
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="12" height="12" class="p%d"/>`+"\n", x, y, i)
		b.WriteString(text(x+18, y+11, "", "start", part))
	}
	top := 40 + (len(parts)+perLine-1)/perLine*20
	for i, s := range stacks {
		y, x := float64(top+i*(barHeight+8)), float64(nameWidth+60)
		b.WriteString(text(x-8, y+16, "", "end", s.name))
		for k, v := range s.values {
			width := v / longest * (plotWidth - nameWidth - 120)
			fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" class="p%d"><title>%s: %.1f</title></rect>`+"\n", x, y, width, barHeight, k, html.EscapeString(parts[k]), v)
			x += width
		}
		b.WriteString(text(x+6, y+16, "", "start", round(total(s.values))))
	}
	return svg(top+len(stacks)*(barHeight+8)+4, title, classes.String()+"\n", b.String())
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

// lines are values over time, a small plot for each name one below the other, all to one scale.
type lines struct {
	step  float64 // seconds
	names []string
	rows  [][]float64
}

func (l *lines) add(name string, values []float64) {
	if len(values) > 0 {
		l.names, l.rows = append(l.names, name), append(l.rows, values)
	}
}

func (l *lines) chart(title string) string {
	if len(l.rows) == 0 {
		return ""
	}
	const height, gap, left = 56.0, 12.0, nameWidth
	longest, highest := 0, 0.0
	for _, row := range l.rows {
		longest, highest = max(longest, len(row)), math.Max(highest, slices.Max(row))
	}
	var b strings.Builder
	b.WriteString(text(0, 16, "title", "start", title))
	width := float64(plotWidth-left-60) / float64(longest)
	for i, row := range l.rows {
		bottom := 30 + height + float64(i)*(height+gap)
		class := "other"
		if strings.HasPrefix(l.names[i], "wsverdict") {
			class = "ours"
		}
		b.WriteString(text(left-8, bottom-6, "", "end", l.names[i]))
		fmt.Fprintf(&b, `<path class="axis" d="M%d %.1fH%d"/>`+"\n", left, bottom, plotWidth-60)
		for k, v := range row {
			if v > 0 {
				h := math.Max(1, v/math.Max(highest, 1)*height)
				fmt.Fprintf(&b, `<rect x="%.2f" y="%.1f" width="%.2f" height="%.1f" class="%s"/>`+"\n", left+float64(k)*width, bottom-h, width, h, class)
			}
		}
		b.WriteString(text(plotWidth-54, bottom-height+12, "dim", "start", round(slices.Max(row))))
	}
	bottom := 30 + float64(len(l.rows))*(height+gap)
	seconds := float64(longest) * l.step
	for s := 0.0; s <= seconds; s += math.Max(1, math.Ceil(seconds/10)) {
		b.WriteString(text(left+s/l.step*width, bottom+10, "dim", "middle", fmt.Sprintf("%.0f s", s)))
	}
	return svg(int(bottom)+18, title, "", b.String())
}
