package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// head says what was run, on what, and how to run it again.
func (d *document) head(s settings, begun time.Time, redis string) {
	command := "go run ./examples/bench/report"
	if s.short {
		command += " -short"
	}
	if s.only != "" {
		command += " -only " + s.only
	}
	d.printf("# Performance\n\n")
	d.printf("Written by `%s` on %s, in %v. Every figure is from that run, and the text around them comes with it: repeat it to get another.\n\n",
		command, begun.UTC().Format(time.DateOnly), time.Since(begun).Round(time.Second))
	if s.short {
		d.printf("**This was the short form**: few rounds, small storms. Its figures show that it works, and little more.\n\n")
	}
	d.printf("The cases of a table run in mixed order, %d rounds of %v each where a row takes no longer, fewer where it does. Figures are the median of the rounds, and a ratio is\n"+
		"the median of what it was within a round. Ratios matter, a few hundredths of one do not: another machine gives other figures. They compare like with like within a table only.\n\n",
		s.rounds, s.each)
	d.printf("- %s, %s/%s, %d cores, %s, load %s when it began\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpu(), load)
	d.printf("- %s\n", strings.Join(peers(), ", "))
	if redis != "" {
		d.printf("- Redis %s, one node over loopback, at its defaults but that it writes nothing down\n", redis)
	}
	d.printf("- Everybody at their defaults. In memory one request with Chromium's headers is replayed on a ResponseWriter that can be\n" +
		"  hijacked again and again, whose connection swallows what is written; what that costs is in every figure.\n")
	d.printf("- The storms, the broadcast and the fleet at the end have a process for each server and one for all clients, on the same machine over loopback: clients take what servers could have.\n")
}

// load is the system's load before it had ours.
var load = func() string {
	b, _ := os.ReadFile("/proc/loadavg")
	one, _, ok := strings.Cut(string(b), " ")
	if !ok {
		return "unknown"
	}
	return one
}()

// peers are the modules that are compared, with their versions.
func peers() []string {
	wanted := []string{"gobwas/ws", "gorilla/websocket", "coder/websocket", "lxzan/gws", "centrifugal/centrifuge", "olahol/melody", "go-chi/chi/v5", "go-chi/jwtauth/v5",
		"go-chi/httprate", "golang-jwt/jwt/v5", "sethvargo/go-limiter", "golang.org/x/time", "redis/go-redis/v9", "go-redis/redis_rate/v10", "go-chi/httprate-redis"}
	var found []string
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if slices.ContainsFunc(wanted, func(w string) bool { return strings.HasSuffix(m.Path, w) }) {
				found = append(found, fmt.Sprint(strings.TrimPrefix(m.Path, "github.com/"), " ", m.Version))
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
