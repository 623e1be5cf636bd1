package codes_test

import (
	"fmt"
	"time"

	"github.com/wsverdict/wsverdict/codes"
)

func ExampleCode() {
	fmt.Println(codes.Unauthorized, codes.Unauthorized.Action())

	code, _ := codes.FromStatus(422)
	fmt.Println(code, code.Action())

	const roomFull codes.Code = 4601 // an application's own
	_, mirrors := roomFull.Status()
	fmt.Println(roomFull, roomFull.Action(), mirrors)
	// Output:
	// 4401 Unauthorized refresh
	// 4422 Unprocessable Entity stop
	// 4601 Application Code stop false
}

func ExampleNewReason() {
	r := codes.NewReason("rate_limited", codes.Backoff, 29_500*time.Millisecond)
	fmt.Println(r)
	// Output: rate_limited;do=backoff;after=30
}

// A slug is for programs. Sentences, and anything that varies from request to request, do not belong into it.
func ExampleNewReason_wrong() {
	defer func() { fmt.Println(recover()) }()
	codes.NewReason("Token expired!", codes.Refresh, 0)
	// Output: codes: slug "Token expired!": want a letter a-z, then at most 63 of a-z, 0-9 and _
}

// A client in Go reads what a close frame said.
func ExampleParseReason() {
	for _, text := range []string{"restart;do=reconnect;after=3", "room_full;colour=red", "Going away"} {
		if r, ok := codes.ParseReason(text); ok {
			fmt.Printf("%s: %q, wait %v\n", r.Slug(), r.Action(), r.After())
		} else {
			fmt.Printf("%q is another server's\n", text)
		}
	}
	// Output:
	// restart: "reconnect", wait 3s
	// room_full: "", wait 0s
	// "Going away" is another server's
}

func ExampleReason_Append() {
	body := []byte{0x11, 0x31} // a close frame's body begins with the code, here 4401, in network order
	body = codes.NewReason("token_expired", codes.Refresh, 0).Append(body)
	fmt.Printf("% x %s\n", body[:2], body[2:])
	// Output: 11 31 token_expired;do=refresh
}

func ExampleCatalog() {
	for _, e := range codes.Catalog()[:3] {
		fmt.Println(uint16(e.Code), e.Name, e.Action)
	}
	// Output:
	// 4400 Bad Request stop
	// 4401 Unauthorized refresh
	// 4403 Forbidden stop
}

// A scheme of one's own begins with another and changes what differs.
func ExampleProfile() {
	discord := func(d codes.Denial) uint16 {
		switch {
		case d.Code == codes.Unauthorized:
			return 4004 // authentication failed
		case d.Code == codes.TooManyRequests:
			return 4008 // rate limited
		}
		return codes.IANA(d)
	}
	for _, d := range []codes.Denial{
		{Code: codes.Unauthorized, Status: 401, Reason: codes.NewReason("token_revoked", codes.Stop, 0)},
		{Code: codes.ServiceUnavailable, Status: 503, Reason: codes.NewReason("restart", codes.Reconnect, 0)},
	} {
		fmt.Println(d.Reason, codes.Mirrored(d), codes.IANA(d), codes.GraphQLTransportWS(d), codes.Centrifuge(d), codes.Pusher(d), discord(d))
	}
	// Output:
	// token_revoked;do=stop 4401 3000 4401 3500 4009 4004
	// restart;do=reconnect 4503 1012 1012 3001 4200 1012
}

// A client in Go learns the same from a close frame as a page does.
func ExampleReadClose() {
	for _, frame := range []struct {
		code   uint16
		reason string
	}{{4401, "token_expired;do=refresh"}, {4503, "restart;do=reconnect;after=3"}, {1013, "try later"}} {
		o := codes.ReadClose(codes.FromMirrored, frame.code, frame.reason)
		fmt.Printf("%d %q: %s, wait %v, HTTP %d\n", o.Code, o.Slug, o.Action, o.After, o.Status)
	}
	// Output:
	// 4401 "token_expired": refresh, wait 0s, HTTP 401
	// 4503 "restart": reconnect, wait 3s, HTTP 503
	// 1013 "": backoff, wait 0s, HTTP 503
}
