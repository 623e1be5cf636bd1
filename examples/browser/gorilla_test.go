package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	gorilla "github.com/gorilla/websocket"
)

type gorillaPeer struct {
	*gorilla.Conn
	ctx          context.Context
	all          chan received
	pings, pongs chan struct{}
}

func newGorilla(ctx context.Context, conn *witness, url string) (peer, error) {
	dialer := gorilla.Dialer{
		NetDialContext:  func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		WriteBufferSize: 4, // so that messages have many frames, and a character is in two of them
	}
	c, _, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	p := &gorillaPeer{Conn: c, ctx: ctx, pings: make(chan struct{}, 1), pongs: make(chan struct{}, 1)}
	answer := c.PingHandler()
	c.SetPingHandler(func(data string) error {
		err := answer(data)
		signal(p.pings)
		return err
	})
	c.SetPongHandler(func(string) error {
		signal(p.pongs)
		return nil
	})
	p.all = readAll(func() received {
		typ, message, err := c.ReadMessage()
		return received{typ == gorilla.TextMessage, message, err}
	})
	return p, nil
}

func (p *gorillaPeer) send(text bool, message []byte) error {
	typ := gorilla.BinaryMessage
	if text {
		typ = gorilla.TextMessage
	}
	return p.WriteMessage(typ, message)
}

func (p *gorillaPeer) sendInParts(parts ...[]byte) error {
	w, err := p.NextWriter(gorilla.TextMessage)
	if err != nil {
		return err
	}
	return writeParts(w, parts)
}

func (p *gorillaPeer) receive() (bool, []byte, error) { return receiveFrom(p.all) }
func (p *gorillaPeer) pinged() error                  { return await(p.ctx, p.pings) }

func (p *gorillaPeer) ping() error {
	if err := p.WriteControl(gorilla.PingMessage, []byte("are you there?"), time.Now().Add(testTime)); err != nil {
		return err
	}
	return await(p.ctx, p.pongs)
}

func (p *gorillaPeer) close(code int, reason string) error {
	if err := p.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason), time.Now().Add(testTime)); err != nil {
		return err
	}
	answer, _, err := p.closed()
	if err == nil && answer != code {
		err = fmt.Errorf("the answer has code %d", answer)
	}
	return err
}

func (p *gorillaPeer) closed() (int, string, error) {
	err := endOf(p.all)
	var closed *gorilla.CloseError
	if !errors.As(err, &closed) {
		return 0, "", errNoClose(err)
	}
	return closed.Code, closed.Text, nil
}
