// Command report runs the cases of package bench in mixed order, many rounds, and prints what docs/measured.md holds.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/examples/bench"
)

func main() {
	bench.Herd()
	rounds := flag.Int("rounds", 20, "how often each case is run")
	each := flag.Duration("each", 25*time.Millisecond, "how long a case runs in a round")
	only := flag.String("row", "", "the name of the one row to run")
	testing.Init()
	flag.Parse()
	if err := flag.Set("test.benchtime", each.String()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var rows []*measured
	for _, row := range bench.Rows() {
		if *only == "" || *only == row.Name {
			begun := time.Now()
			m, err := measure(row, *rounds)
			fmt.Fprintf(os.Stderr, "%-12s %v\n", row.Name, time.Since(begun).Round(time.Second/10))
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			rows = append(rows, m)
		}
	}
	head(*rounds, *each)
	summary(rows)
	for _, m := range rows {
		m.print()
	}
}

func head(rounds int, each time.Duration) {
	fmt.Printf("# Measured\n\n")
	fmt.Printf("What `go run ./examples/bench/report` printed. The cases of a table run in mixed order, %d rounds of %v each where it says\n"+
		"nothing else; figures are the median of the rounds, and a ratio is the median of what it was within a round.\n", rounds, each)
	fmt.Printf("Ratios matter, a few hundredths of one do not: the machine is shared, and another one gives other figures. They compare like with like within a table only.\n\n")
	fmt.Printf("- %s, %s/%s, %d cores, %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpu())
	fmt.Printf("- %s\n", strings.Join(peers(), ", "))
	fmt.Printf("- Everybody at their defaults. In memory one request with Chromium's headers is replayed on a ResponseWriter that can be\n" +
		"  hijacked again and again, whose connection swallows what is written; what that costs is in every figure.\n")
}

// peers are the modules that are compared, with their versions.
func peers() []string {
	wanted := []string{"gobwas/ws", "gorilla/websocket", "coder/websocket", "lxzan/gws", "go-chi/chi/v5", "go-chi/jwtauth/v5",
		"go-chi/httprate", "golang-jwt/jwt/v5", "sethvargo/go-limiter", "golang.org/x/time"}
	var found []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.ContainsFunc(wanted, func(w string) bool { return strings.HasSuffix(m.Path, w) }) {
				found = append(found, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
			}
		}
	}
	return found
}

// cpu is the processor's name where the system tells it.
func cpu() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, _ := strings.Cut(string(info), "model name")
	name, _, _ := strings.Cut(strings.TrimLeft(rest, "\t :"), "\n")
	if name == "" {
		return "unknown processor"
	}
	return name
}
