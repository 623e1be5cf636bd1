package browser

import (
	"bytes"
	"context"
	"errors"

	"github.com/gobwas/ws"
	"github.com/lxzan/gws"
)

type gwsPeer struct {
	gws.BuiltinEventHandler
	*gws.Conn
	ctx          context.Context
	all          chan received
	pings, pongs chan struct{}
}

func newGWS(ctx context.Context, conn *witness, url string) (peer, error) {
	p := &gwsPeer{ctx: ctx, all: make(chan received, 16), pings: make(chan struct{}, 1), pongs: make(chan struct{}, 1)}
	c, _, err := gws.NewClientFromConn(p, &gws.ClientOption{Addr: url, HandshakeTimeout: testTime}, conn)
	if err != nil {
		return nil, err
	}
	p.Conn = c
	go c.ReadLoop()
	return p, nil
}

func (p *gwsPeer) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	p.all <- received{m.Opcode == gws.OpcodeText, append([]byte{}, m.Bytes()...), nil}
}

func (p *gwsPeer) OnPing(c *gws.Conn, payload []byte) {
	_ = c.WritePong(payload)
	signal(p.pings)
}

func (p *gwsPeer) OnPong(*gws.Conn, []byte) { signal(p.pongs) }

func (p *gwsPeer) OnClose(_ *gws.Conn, err error) {
	p.all <- received{err: err}
	close(p.all)
}

func (p *gwsPeer) send(text bool, message []byte) error {
	op := gws.OpcodeBinary
	if text {
		op = gws.OpcodeText
	}
	return p.WriteMessage(op, message)
}

// sendInParts borrows gobwas: gws does not fragment.
func (p *gwsPeer) sendInParts(parts ...[]byte) error {
	op := ws.OpText
	for i, part := range parts {
		frame := ws.MaskFrame(ws.NewFrame(op, i == len(parts)-1, bytes.Clone(part)))
		if err := ws.WriteFrame(p.NetConn(), frame); err != nil {
			return err
		}
		op = ws.OpContinuation
	}
	return nil
}

func (p *gwsPeer) receive() (bool, []byte, error) { return receiveFrom(p.all) }
func (p *gwsPeer) pinged() error                  { return await(p.ctx, p.pings) }

func (p *gwsPeer) ping() error {
	if err := p.WritePing([]byte("are you there?")); err != nil {
		return err
	}
	return await(p.ctx, p.pongs)
}

// close does not see the answer's code: gws hangs up at once.
func (p *gwsPeer) close(code int, reason string) error {
	return p.WriteClose(uint16(code), []byte(reason))
}

func (p *gwsPeer) closed() (int, string, error) {
	err := endOf(p.all)
	var closed *gws.CloseError
	if !errors.As(err, &closed) {
		return 0, "", errNoClose(err)
	}
	return int(closed.Code), string(closed.Reason), nil
}
