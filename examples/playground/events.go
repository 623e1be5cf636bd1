package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wsverdict/wsverdict/upgrade"
)

// A report is news of one run: of one press of a button, in one of its forms.
type report struct {
	Run     string         `json:"run"` // "<page>.<number>", chosen by the page
	Verdict *verdictReport `json:"verdict,omitempty"`
	Wire    *wireReport    `json:"wire,omitempty"`
}

// A verdictReport is what the Observer was told, but for the cause, which is for logs alone.
type verdictReport struct {
	Outcome  string `json:"outcome"`
	Policy   string `json:"policy"`
	Code     int    `json:"code,omitempty"`
	Slug     string `json:"slug,omitempty"`
	Action   string `json:"action,omitempty"`
	After    string `json:"after,omitempty"`
	Status   int    `json:"status"`
	Why      string `json:"why,omitempty"`
	Duration string `json:"duration"`
}

// A hub hands reports to the pages that wait for them.
type hub struct {
	done chan struct{}

	mu    sync.Mutex
	pages map[chan report]string
}

func newHub() *hub {
	return &hub{done: make(chan struct{}), pages: map[chan report]string{}}
}

// close ends all streams.
func (h *hub) close() { close(h.done) }

// observe is the Upgrader's Observer. The run that it belongs to is in the request's query.
func (h *hub) observe(e upgrade.Event) {
	if e.Kind != upgrade.Settled {
		return
	}
	run := e.Request.URL.Query().Get("run")
	if run == "" {
		return
	}
	v := &verdictReport{
		Outcome:  e.Outcome.String(),
		Policy:   e.Policy,
		Status:   e.Status,
		Why:      e.Why.String(),
		Duration: e.Duration.Round(time.Microsecond).String(),
	}
	if !e.Verdict.Allowed() {
		v.Code = int(e.Verdict.Code())
		v.Slug = e.Verdict.Slug()
		v.Action = e.Verdict.Action().String()
	}
	if after := e.Verdict.After(); after > 0 {
		v.After = after.String()
	}
	h.publish(report{Run: run, Verdict: v})
}

// publish never waits: a page that does not keep up misses reports.
func (h *hub) publish(r report) {
	page, _, _ := strings.Cut(r.Run, ".")
	h.mu.Lock()
	defer h.mu.Unlock()
	for reports, name := range h.pages {
		if name != page {
			continue
		}
		select {
		case reports <- r:
		default:
		}
	}
}

// stream sends a page's reports as server-sent events, after an event "ready": from then on nothing is missed.
func (h *hub) stream(w http.ResponseWriter, r *http.Request) {
	reports := make(chan report, 64)
	h.mu.Lock()
	h.pages[reports] = r.URL.Query().Get("page")
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.pages, reports)
		h.mu.Unlock()
	}()

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, "event: ready\ndata:\n\n")
	for {
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case report := <-reports:
			data, err := json.Marshal(report)
			if err != nil {
				return
			}
			fmt.Fprintf(w, "data: %s\n\n", data)
		case <-r.Context().Done():
			return
		case <-h.done:
			return
		}
	}
}
