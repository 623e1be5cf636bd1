package main

import (
	"embed"
	"fmt"
	"strings"
)

// The program shows its own source: what it shows is what runs.
//
//go:embed routes.go live.go second.go tokens.go
var source embed.FS

// lines are those that decide, by what they do.
var lines = struct {
	users, unavailable, limit, maintenance, members, origin, chain, endpoint, ban, drain, shutdown string
}{
	users:       excerpt("routes.go", "users: middleware.MustJWT", 9),
	unavailable: excerpt("tokens.go", `case "remote":`, 2) + "\n" + excerpt("routes.go", "Keys:     middleware.FromKeyfunc", 1),
	limit:       excerpt("routes.go", "limit, err := middleware.NewRateLimit", 1),
	maintenance: excerpt("routes.go", "maintenance = ws.Use(", 1),
	members:     excerpt("routes.go", "func (p *playground) membersOnly", 7),
	origin:      excerpt("routes.go", "origin      = ws.Origin(", 1),
	chain:       excerpt("routes.go", "r.With(origin, token, members, run)", 1),
	endpoint:    excerpt("routes.go", "room        = p.up.Handler(echo)", 1),
	ban:         excerpt("live.go", "p.up.End(banned", 1),
	drain:       excerpt("live.go", "down.Until(", 2),
	shutdown:    excerpt("second.go", "ctx, cancel := context.WithTimeout", 3),
}

// excerpt returns n lines of a file from the one that begins with a text on, without their common indentation.
func excerpt(file, from string, n int) string {
	b, err := source.ReadFile(file)
	if err != nil {
		panic(err)
	}
	all := strings.Split(string(b), "\n")
	for i, line := range all {
		text := strings.TrimLeft(line, "\t")
		if !strings.HasPrefix(text, from) {
			continue
		}
		indent := line[:len(line)-len(text)]
		var out []string
		for _, line := range all[i:min(i+n, len(all))] {
			out = append(out, strings.ReplaceAll(strings.TrimPrefix(line, indent), "\t", "  "))
		}
		return strings.Join(out, "\n")
	}
	panic(fmt.Sprintf("%s has no line that begins with %q", file, from))
}
