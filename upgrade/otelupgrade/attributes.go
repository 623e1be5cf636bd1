package otelupgrade

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade"
)

const (
	outcomeKey         = attribute.Key("wsverdict.outcome")
	verdictKey         = attribute.Key("wsverdict.verdict")
	policyKey          = attribute.Key("wsverdict.policy")
	codeKey            = attribute.Key("wsverdict.code")
	slugKey            = attribute.Key("wsverdict.slug")
	actionKey          = attribute.Key("wsverdict.action")
	afterKey           = attribute.Key("wsverdict.after")
	whyKey             = attribute.Key("wsverdict.why")
	closeCodeKey       = attribute.Key("wsverdict.close_code")
	closedByKey        = attribute.Key("wsverdict.closed_by")
	sessionIDKey       = attribute.Key("wsverdict.session.id")
	messagesReadKey    = attribute.Key("wsverdict.session.messages.read")
	messagesWrittenKey = attribute.Key("wsverdict.session.messages.written")
	bytesReadKey       = attribute.Key("wsverdict.session.bytes.read")
	bytesWrittenKey    = attribute.Key("wsverdict.session.bytes.written")
)

// text is s in UTF-8: the exporters' protocol buffers refuse anything else, and with it the batch.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func typeName(v any) string { return fmt.Sprintf("%T", v) }

// verdictLabels are those attributes of a verdict that are few: they are fit for a metric.
func verdictLabels(e *upgrade.Event) []attribute.KeyValue {
	list := make([]attribute.KeyValue, 0, 8)
	list = append(list, verdictKey.String(verdictName(e.Verdict)), policyKey.String(text(e.Policy)))
	if !e.Verdict.Allowed() {
		list = append(list, codeKey.Int(int(e.Verdict.Code())), slugKey.String(e.Verdict.Slug()))
	}
	return list
}

// verdictAttributes describe a verdict wholly.
func verdictAttributes(e *upgrade.Event) []attribute.KeyValue {
	list := verdictLabels(e)
	if do := e.Verdict.Action(); do != 0 {
		list = append(list, actionKey.String(do.String()))
	}
	if after := e.Verdict.After(); after != 0 {
		list = append(list, afterKey.Int(int(after.Seconds())))
	}
	return list
}

func verdictName(v policy.Verdict) string {
	switch {
	case v.Allowed():
		return "allow"
	case v.Hidden():
		return "reject"
	}
	return "close"
}

func handshakeAttributes(e *upgrade.Event, route, fault string) []attribute.KeyValue {
	list := append(verdictAttributes(e), outcomeKey.String(e.Outcome.String()))
	list = withRoute(withFault(list, fault), route)
	if e.Status != 0 && e.Outcome != upgrade.Lost {
		list = append(list, semconv.HTTPResponseStatusCode(e.Status))
	}
	if e.Why != 0 {
		list = append(list, whyKey.String(e.Why.String()))
	}
	if e.CloseCode != 0 {
		list = append(list, closeCodeKey.Int(int(e.CloseCode)))
	}
	if e.Session.ID != 0 {
		list = append(list, sessionIDKey.Int64(int64(e.Session.ID)))
	}
	return list
}

func sessionAttributes(e *upgrade.Event, route string) []attribute.KeyValue {
	return withRoute([]attribute.KeyValue{semconv.NetworkProtocolName("websocket"), sessionIDKey.Int64(int64(e.Session.ID))}, route)
}

func endAttributes(e *upgrade.Event, fault string) []attribute.KeyValue {
	s := &e.Session
	return withFault([]attribute.KeyValue{
		closeCodeKey.Int(int(e.CloseCode)), closedByKey.String(s.ClosedBy.String()),
		messagesReadKey.Int64(int64(s.MessagesRead)), messagesWrittenKey.Int64(int64(s.MessagesWritten)),
		bytesReadKey.Int64(int64(s.BytesRead)), bytesWrittenKey.Int64(int64(s.BytesWritten)),
	}, fault)
}

func withRoute(list []attribute.KeyValue, route string) []attribute.KeyValue {
	if route == "" {
		return list
	}
	return append(list, semconv.HTTPRoute(route))
}

func withFault(list []attribute.KeyValue, fault string) []attribute.KeyValue {
	if fault == "" {
		return list
	}
	return append(list, semconv.ErrorTypeKey.String(fault))
}
