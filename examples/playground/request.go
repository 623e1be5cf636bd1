package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// telling are the fields of a request that matter here, in the order in which people look for them.
var telling = []string{"Origin", "Connection", "Upgrade", "Sec-Websocket-Version", "Sec-Websocket-Key", "Sec-Websocket-Protocol", "Authorization"}

// inTheMiddle is that of a token: it says nothing to people.
var inTheMiddle = regexp.MustCompile(`(eyJ[\w-]{6})[\w.-]+([\w-]{4})`)

// requestText is what the client sent, as far as it matters.
func requestText(r *http.Request) string {
	text := []string{fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, r.Proto), "Host: " + r.Host}
	for _, name := range telling {
		for _, value := range r.Header[name] {
			text = append(text, strings.Replace(name, "Websocket", "WebSocket", 1)+": "+inTheMiddle.ReplaceAllString(value, "$1…$2"))
		}
	}
	return strings.Join(slices.Compact(text), "\n")
}
