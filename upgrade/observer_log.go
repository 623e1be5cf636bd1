package upgrade

import (
	"errors"
	"log/slog"
)

// LogObserver returns an [Observer] that writes every event to l: panics and 5xx as errors, what
// was lost as warnings, settlements, starts and ends as information, judgements on trial for
// debugging. Of the request it logs address and path; never the query or a header, where tokens
// are. A [slog.Handler] gets the event's Context: it can add what is in there.
func LogObserver(l *slog.Logger) Observer {
	if l == nil {
		l = slog.Default()
	}
	return logObserver{l}
}

type logObserver struct{ log *slog.Logger }

func (o logObserver) Observe(e Event) {
	level := levelOf(&e)
	ctx := e.Context
	if !o.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 17)
	add := func(a slog.Attr) { attrs = append(attrs, a) }
	text := func(key, value string) {
		if value != "" {
			add(slog.String(key, value))
		}
	}
	number := func(key string, n uint64) {
		if n != 0 {
			add(slog.Uint64(key, n))
		}
	}
	text("policy", e.Policy)
	text("outcome", outcomeNames[min(int(e.Outcome), len(outcomeNames)-1)])
	text("why", e.Why.String())
	number("status", uint64(e.Status))
	if e.Kind != Started && !e.Verdict.Allowed() && (e.Kind != Panicked) {
		number("code", uint64(e.Verdict.Code()))
		text("slug", e.Verdict.Slug())
	}
	number("close_code", uint64(e.CloseCode))
	text("closed_by", e.Session.ClosedBy.String())
	number("session", e.Session.ID)
	if r := e.Request; r != nil {
		text("remote", r.RemoteAddr)
		text("path", r.URL.Path)
	} else if e.Session.RemoteAddr != nil {
		text("remote", e.Session.RemoteAddr.String())
	}
	if e.ProtoMajor > 1 {
		add(slog.Int("http", e.ProtoMajor))
	}
	if e.Kind == Ended {
		s := &e.Session
		add(slog.Group("read", "messages", s.MessagesRead, "bytes", s.BytesRead))
		add(slog.Group("written", "messages", s.MessagesWritten, "bytes", s.BytesWritten))
	}
	if e.Duration != 0 {
		add(slog.Duration("duration", e.Duration))
	}
	if err := errors.Join(e.Verdict.Cause(), e.Err); err != nil {
		var p *PanicError
		if errors.As(err, &p) {
			add(slog.String("stack", string(p.Stack)))
		}
		add(slog.String("error", err.Error()))
	}
	o.log.LogAttrs(ctx, level, "websocket "+e.Kind.String(), attrs...)
}

func levelOf(e *Event) slog.Level {
	var p *PanicError
	switch {
	case e.Kind == Panicked, errors.As(e.Verdict.Cause(), &p):
		return slog.LevelError
	case e.Kind == Shadowed:
		return slog.LevelDebug
	case e.Outcome == Lost, e.Why == WhyHijack:
		return slog.LevelWarn
	case e.Kind == Settled && e.Verdict.Status() >= 500 && e.Verdict.Cause() != nil:
		return slog.LevelError
	}
	return slog.LevelInfo
}
