package broadcast

import (
	"context"
	"net/http"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/upgrade"
)

var ours = library{"wsverdict", func() server {
	up := &upgrade.Upgrader{}
	h := up.Handler(func(*http.Request) (upgrade.Session, error) {
		return func(ctx context.Context, c *upgrade.Conn) error {
			for {
				if _, _, err := c.Read(ctx, nil); err != nil {
					return err
				}
			}
		}, nil
	})
	send := func(message []byte) error {
		p, err := upgrade.Prepare(upgrade.Text, message)
		if err == nil {
			up.BroadcastAll(p)
		}
		return err
	}
	slow := func() (n uint64) {
		for _, e := range up.Stats().Ended {
			if e.CloseCode == uint16(codes.RequestTimeout) && e.By == upgrade.ByServer {
				n += e.Count
			}
		}
		return n
	}
	return server{h, send, slow}
}}
