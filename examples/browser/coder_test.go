package browser

import (
	"context"
	"errors"
	"net"
	"net/http"

	coder "github.com/coder/websocket"
)

type coderPeer struct {
	*coder.Conn
	ctx   context.Context
	all   chan received
	pings chan struct{}
}

func newCoder(ctx context.Context, conn *witness, url string) (peer, error) {
	p := &coderPeer{ctx: ctx, pings: make(chan struct{}, 1)}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	c, _, err := coder.Dial(ctx, url, &coder.DialOptions{
		HTTPClient: &http.Client{Transport: transport},
		OnPingReceived: func(context.Context, []byte) bool {
			signal(p.pings)
			return true
		},
	})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(-1)
	p.Conn = c
	p.all = readAll(func() received {
		typ, message, err := c.Read(ctx)
		return received{typ == coder.MessageText, message, err}
	})
	return p, nil
}

func (p *coderPeer) send(text bool, message []byte) error {
	typ := coder.MessageBinary
	if text {
		typ = coder.MessageText
	}
	return p.Write(p.ctx, typ, message)
}

func (p *coderPeer) sendInParts(parts ...[]byte) error {
	w, err := p.Writer(p.ctx, coder.MessageText)
	if err != nil {
		return err
	}
	return writeParts(w, parts)
}

func (p *coderPeer) receive() (bool, []byte, error) { return receiveFrom(p.all) }
func (p *coderPeer) pinged() error                  { return await(p.ctx, p.pings) }
func (p *coderPeer) ping() error                    { return p.Ping(p.ctx) }

func (p *coderPeer) close(code int, reason string) error {
	return p.Close(coder.StatusCode(code), reason) // an error if the answer has another code
}

func (p *coderPeer) closed() (int, string, error) {
	err := endOf(p.all)
	var closed coder.CloseError
	if !errors.As(err, &closed) {
		return 0, "", errNoClose(err)
	}
	return int(closed.Code), closed.Reason, nil
}
