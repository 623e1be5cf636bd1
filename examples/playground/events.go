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
	Ended   *endedReport   `json:"ended,omitempty"`
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

// An endedReport is what the Observer was told of the end of a connection.
type endedReport struct {
	ClosedBy string `json:"closedBy"`
	Code     int    `json:"code"` // of the close frame
	Slug     string `json:"slug,omitempty"`
	Action   string `json:"action,omitempty"`
	After    string `json:"after,omitempty"`
	Duration string `json:"duration"`
	Messages string `json:"messages"`
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

// observe is the Upgraders' Observer. The run that an event belongs to is in the request's query, and among the tags.
func (h *hub) observe(e upgrade.Event) {
	switch e.Kind {
	case upgrade.Settled:
		h.settled(e, e.Request.URL.Query().Get("run"))
	case upgrade.Ended:
		for _, tag := range e.Session.Tags {
			if tag.Key == "run" {
				h.ended(e, tag.Value)
			}
		}
	}
}

func (h *hub) settled(e upgrade.Event, run string) {
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
	v.After = waitOf(e)
	h.publish(report{Run: run, Verdict: v})
}

func (h *hub) ended(e upgrade.Event, run string) {
	v := &endedReport{
		ClosedBy: e.Session.ClosedBy.String(),
		Code:     int(e.CloseCode),
		After:    waitOf(e),
		Duration: e.Duration.Round(time.Millisecond).String(),
		Messages: fmt.Sprintf("%d read, %d written", e.Session.MessagesRead, e.Session.MessagesWritten),
	}
	if !e.Verdict.Allowed() {
		v.Slug = e.Verdict.Slug()
		v.Action = e.Verdict.Action().String()
	}
	h.publish(report{Run: run, Ended: v})
}

func waitOf(e upgrade.Event) string {
	if after := e.Verdict.After(); after > 0 {
		return after.String()
	}
	return ""
}

// publish never waits: a page that does not keep up misses reports.
func (h *hub) publish(r report) {
	page, _, ok := strings.Cut(r.Run, ".")
	if !ok {
		return // nobody's
	}
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
