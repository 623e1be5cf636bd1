package main

import (
	"reflect"
	"testing"
)

func TestDecodeWire(t *testing.T) {
	const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
	const head = "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket"
	for _, test := range []struct {
		name string
		sent string
		want wireReport
	}{
		{"nothing", "", wireReport{}},
		{"a plain answer", "HTTP/1.1 401 Unauthorized\r\nA: b\r\n\r\n{}\n", wireReport{Head: "HTTP/1.1 401 Unauthorized\nA: b", Body: "{}\n"}},
		{"a 101", switching, wireReport{Head: head}},
		{"two frames", switching + "\x81\x02hi\x88\x03\x03\xe8!", wireReport{Head: head, Frames: []frameReport{
			{Hex: "81 02 68 69", Text: "text: hi"},
			{Hex: "88 03 03 e8 21", Text: "close: 1000", Close: true},
		}}},
		{"a reason", switching + "\x88\x0b\x11\x31x;do=stop", wireReport{Head: head, Frames: []frameReport{
			{Hex: "88 0b 11 31 78 3b 64 6f 3d 73 74 6f 70", Text: "close: 4401 x;do=stop", Close: true},
		}}},
		{"a close frame without a code", switching + "\x88\x00", wireReport{Head: head, Frames: []frameReport{
			{Hex: "88 00", Text: "close, without a code", Close: true},
		}}},
		{"a ping", switching + "\x89\x00", wireReport{Head: head, Frames: []frameReport{{Hex: "89 00", Text: "opcode 0x9, 0 bytes"}}}},
		{"half a frame", switching + "\x81\x02h", wireReport{Head: head}},
		{"half a header", switching + "\x81", wireReport{Head: head}},
		{"a length that cannot be", switching + "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", wireReport{Head: head}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := decodeWire([]byte(test.sent)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
