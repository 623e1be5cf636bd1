package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
)

// A Codec encodes values as JSON text and back, for [Conn.ReadJSON] and its like. Its functions are
// called concurrently. The zero Codec is encoding/json; another library's functions fit as they are:
//
//	up := &upgrade.Upgrader{Codec: upgrade.Codec{Marshal: sonic.Marshal, Unmarshal: sonic.Unmarshal}}
type Codec struct {
	Marshal   func(v any) ([]byte, error)
	Unmarshal func(data []byte, v any) error // keeps nothing of data, which is used again
}

// messageMalformed is the verdict for a message that does not decode.
var messageMalformed = policy.Close(codes.BadRequest, "message_malformed").WithAction(codes.Stop)

var errNotText = errors.New("upgrade: JSON travels in text messages, and this one is binary")

// maxPooledMessage is from which size on a buffer is not kept.
const maxPooledMessage = 64 << 10

var messages = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// ReadJSON reads the next message and decodes it into v, a pointer, as the codec does
// ([Upgrader.Codec]). The limits are those of any message ([Upgrader.MaxMessageBytes]), and so are
// the errors of [Conn.Read]. A message that is not text, or that the codec does not decode into v, is
// an error that is a [policy.Verdict], 4400 message_malformed;do=stop, with the codec's error as its
// cause: a session that returns it closes with it, and one that would rather answer can read on. What
// v is then is the codec's affair. While it waits it holds no buffer, and it allocates nothing that
// the codec does not.
func (c *Conn) ReadJSON(ctx context.Context, v any) error {
	watch, err := c.beginRead(ctx)
	if err != nil {
		return err
	}
	typ, err := c.await()
	if err != nil {
		return c.endRead(ctx, watch, err)
	}
	buf := messages.Get().(*[]byte)
	defer putMessage(buf)
	message, err := c.rest((*buf)[:0])
	if message != nil {
		*buf = message
	}
	if err = c.endRead(ctx, watch, err); err != nil {
		return err
	}
	if typ != Text {
		err = errNotText
	} else {
		err = c.config.codec.Unmarshal(message, v)
	}
	if err != nil {
		return messageMalformed.WithCause(err)
	}
	return nil
}

func putMessage(buf *[]byte) {
	if cap(*buf) <= maxPooledMessage {
		messages.Put(buf)
	}
}

// WriteJSON writes v as a text message, encoded by the codec ([Upgrader.Codec]). A value that cannot
// be encoded is the codec's error, and nothing is written; all else is as in [Conn.Write]. It
// allocates nothing that the codec does not.
func (c *Conn) WriteJSON(ctx context.Context, v any) error {
	text, err := c.config.codec.Marshal(v)
	if err != nil {
		return err
	}
	return c.Write(ctx, Text, text)
}

// SendJSON is [Conn.Send] for a value, encoded by the codec ([Upgrader.Codec]), and so in order with
// what is broadcast, as WriteJSON is not. A value that cannot be encoded is the codec's error, and
// nothing is sent.
func (c *Conn) SendJSON(v any) error {
	p, err := c.config.codec.prepare(v)
	if err != nil {
		return err
	}
	return c.Send(p)
}

// BroadcastJSON is [Upgrader.Broadcast] for a value, which is encoded once. A value that cannot be
// encoded is the codec's error, and nothing is sent.
func (u *Upgrader) BroadcastJSON(v any, tag policy.Tag, more ...policy.Tag) (int, error) {
	p, err := u.PrepareJSON(v)
	if err != nil {
		return 0, err
	}
	return u.Broadcast(p, tag, more...), nil
}

// PrepareJSON is [Prepare] for a value, encoded by the codec ([Upgrader.Codec]).
func (u *Upgrader) PrepareJSON(v any) (*Prepared, error) { return u.mounted().codec.prepare(v) }

func (c Codec) prepare(v any) (*Prepared, error) {
	text, err := c.Marshal(v)
	if err != nil {
		return nil, err
	}
	return Prepare(Text, text)
}

// readCodec is encoding/json where nothing else was given.
func readCodec(given Codec) (c Codec, err error) {
	switch {
	case given.Marshal == nil && given.Unmarshal == nil:
		return Codec{json.Marshal, json.Unmarshal}, nil
	case given.Marshal == nil || given.Unmarshal == nil:
		return given, errors.New("want both of its functions, or none")
	}
	return given, nil
}
