// Command report runs the cases of packages bench, storm, broadcast and fleet in mixed order, many rounds, and writes docs/performance.md with its plots.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench"
	"github.com/wsverdict/wsverdict/examples/bench/broadcast"
	"github.com/wsverdict/wsverdict/examples/bench/fleet"
	"github.com/wsverdict/wsverdict/examples/bench/internal/child"
	"github.com/wsverdict/wsverdict/examples/bench/storm"
)

// settings are how a run is made.
type settings struct {
	rounds  int
	each    time.Duration
	most    int // rounds of a row that takes long
	sizes   storm.Sizes
	crowd   broadcast.Sizes
	servers fleet.Sizes
	profile time.Duration
	short   bool
	only    string
	out     string
}

func main() {
	child.Main(bench.Roles(), storm.Roles(), broadcast.Roles(), fleet.Roles())
	s := settings{most: 7, sizes: storm.Full, crowd: broadcast.Full, servers: fleet.Full, profile: 10 * time.Second}
	flag.IntVar(&s.rounds, "rounds", 20, "how often each case is run")
	flag.DurationVar(&s.each, "each", 25*time.Millisecond, "how long a case runs in a round, where it is short enough")
	flag.BoolVar(&s.short, "short", false, "fewer and smaller rounds: some minutes instead of half an hour")
	flag.StringVar(&s.only, "only", "", "run the rows alone whose names begin so (storm, fleet)")
	flag.StringVar(&s.out, "o", "docs/performance.md", "the file to write, with plots in a folder of its name; - prints, without them")
	testing.Init()
	flag.Parse()
	if s.short {
		s.rounds, s.most, s.sizes, s.crowd, s.servers, s.profile = 5, 2, storm.Short, broadcast.Short, fleet.Short, 3*time.Second
	}
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(s settings) error {
	if err := flag.Set("test.benchtime", s.each.String()); err != nil {
		return err
	}
	begun := time.Now()
	all := slices.Concat(bench.Rows(), storm.Rows(s.sizes), broadcast.Rows(s.crowd))
	redis, noRedis := fleet.Redis()
	if noRedis == nil {
		all = append(all, fleet.Rows(s.servers)...)
	}
	var rows []*measured
	for _, row := range all {
		if !strings.HasPrefix(row.Name, s.only) {
			continue
		}
		rounds := s.rounds
		if row.Rounds > 0 {
			rounds = min(rounds, row.Rounds, s.most)
		}
		started := time.Now()
		m, err := measure(row, rounds)
		fmt.Fprintf(os.Stderr, "%-18s %v\n", row.Name, time.Since(started).Round(time.Second/10))
		if err != nil {
			return err
		}
		rows = append(rows, m)
	}
	var profiles []storm.Profile
	var chains []bench.Profile
	if strings.HasPrefix("profile", s.only) {
		var err error
		if profiles, err = storm.Profiles(s.profile); err != nil {
			return err
		}
		if chains, err = bench.Profiles(s.profile); err != nil {
			return err
		}
	}
	d := &document{plots: map[string]string{}}
	if s.out != "-" {
		d.folder = strings.TrimSuffix(filepath.Base(s.out), filepath.Ext(s.out))
	}
	d.head(s, begun, redis)
	d.summary(rows)
	d.slower(rows)
	for _, m := range rows {
		d.table(m)
	}
	if noRedis != nil && strings.HasPrefix("fleet", s.only) {
		d.printf("\n## A fleet\n\nNot measured: %v.\n", noRedis)
	}
	d.profiles(profiles)
	d.chains(chains)
	return d.save(s.out)
}

// A document is the report's text, and the plots beside it.
type document struct {
	bytes.Buffer
	folder string // "" for no plots
	plots  map[string]string
}

func (d *document) printf(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// plot shows a picture where the document stands now.
func (d *document) plot(name, alt, svg string) {
	if d.folder != "" && svg != "" {
		d.plots[name+".svg"] = svg
		d.printf("\n![%s](%s/%s.svg)\n", alt, d.folder, name)
	}
}

func (d *document) save(out string) error {
	if out == "-" {
		_, err := os.Stdout.Write(d.Bytes())
		return err
	}
	folder := filepath.Join(filepath.Dir(out), d.folder)
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, svg := range d.plots {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(out, d.Bytes(), 0o644)
}
