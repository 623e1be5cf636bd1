package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/gobwas/ws"

	"github.com/wsverdict/wsverdict/codes"
)

// A wireReport is what the server sent, taken apart for people.
type wireReport struct {
	Request string        `json:"request,omitempty"` // what the client sent, its token shortened
	Head    string        `json:"head"`              // status line and header fields
	Body    string        `json:"body,omitempty"`    // of a plain response
	Frames  []frameReport `json:"frames,omitempty"`  // behind a 101
}

type frameReport struct {
	Hex   string `json:"hex"`
	Text  string `json:"text"`
	Close bool   `json:"close"`
}

func decodeWire(sent []byte) wireReport {
	head, rest, _ := bytes.Cut(sent, []byte("\r\n\r\n"))
	report := wireReport{Head: strings.ReplaceAll(string(head), "\r\n", "\n")}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		report.Body = string(rest)
		return report
	}
	for len(rest) > 0 {
		header, frame, payload := cutFrame(rest)
		if frame == nil {
			break // the rest of it is yet to come, or more than was kept
		}
		report.Frames = append(report.Frames, frameReport{
			Hex:   fmt.Sprintf("% x", frame),
			Text:  describe(header.OpCode, payload),
			Close: header.OpCode == ws.OpClose,
		})
		rest = rest[len(frame):]
	}
	return report
}

// cutFrame returns the frame that b begins with; nil if b does not hold all of it.
func cutFrame(b []byte) (header ws.Header, frame, payload []byte) {
	in := bytes.NewReader(b)
	header, err := ws.ReadHeader(in)
	if err != nil || header.Length > int64(in.Len()) {
		return header, nil, nil
	}
	start := len(b) - in.Len()
	end := start + int(header.Length)
	return header, b[:end], b[start:end]
}

// describe says what a frame means.
func describe(op ws.OpCode, payload []byte) string {
	switch op {
	case ws.OpText:
		return fmt.Sprintf("text: %s", payload)
	case ws.OpClose:
		if len(payload) == 0 {
			return "close, without a code"
		}
		code, reason := ws.ParseCloseFrameData(payload)
		if _, ok := codes.ParseReason(reason); ok {
			return fmt.Sprintf("close: %d %s", code, reason)
		}
		return fmt.Sprintf("close: %d", code)
	}
	return fmt.Sprintf("opcode %#x, %d bytes", byte(op), len(payload))
}
