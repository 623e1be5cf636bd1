package upgrade

import (
	"iter"
	"net/http"

	"github.com/wsverdict/wsverdict/codes"
	"github.com/wsverdict/wsverdict/policy"
	"github.com/wsverdict/wsverdict/upgrade/internal/handshake"
)

// An accepted handshake is what a valid one asks for.
type accepted struct {
	key         string // "" over HTTP/2
	subprotocol string // chosen; "" if none was offered
}

// begin appends the acceptance with the header that outer middlewares have set: a 101. Over HTTP/2 it
// completes that header, which goes with a 200, and frames alone are appended.
func (hs accepted) begin(out []byte, outer http.Header) []byte {
	if hs.key == "" {
		handshake.SetConnected(outer, hs.subprotocol)
		return out
	}
	return handshake.AppendSwitching(out, hs.key, hs.subprotocol, outer)
}

// acceptedStatus is the status of that answer.
func acceptedStatus(r *http.Request) int {
	if r.ProtoMajor > 1 {
		return http.StatusOK
	}
	return http.StatusSwitchingProtocols
}

// refusals say what is wrong with a handshake. All are Rejects: who sent this is no browser's
// WebSocket, or one that would not accept it.
var refusals = [handshake.Faults]policy.Verdict{
	handshake.HTTPVersion: policy.Reject(4505, "http_version_not_supported").
		WithAction(codes.Stop).WithDetail("This endpoint speaks WebSocket, which begins with an upgrade over HTTP/1.1" +
		" or, if the server offers it, with an extended CONNECT over HTTP/2 (RFC 8441)."),
	handshake.Method: policy.Reject(4405, "method_not_allowed").
		WithDetail("A WebSocket handshake is a GET request.").WithHeader("Allow", "GET"),
	handshake.NoUpgrade: policy.Reject(codes.UpgradeRequired, "upgrade_required").
		WithHeader("Upgrade", "websocket").WithHeader("Connection", "Upgrade"),
	handshake.Version: policy.Reject(codes.UpgradeRequired, "websocket_version_not_supported").
		WithDetail("This endpoint speaks version 13 of the WebSocket protocol.").
		WithHeader("Sec-Websocket-Version", "13").
		WithHeader("Upgrade", "websocket").WithHeader("Connection", "Upgrade"),
	handshake.Body: policy.Reject(codes.BadRequest, "handshake_with_body").
		WithDetail("A WebSocket handshake has no body."),
	handshake.Host: policy.Reject(codes.BadRequest, "host_missing").
		WithDetail("A WebSocket handshake names the server in Host."),
	handshake.Key: policy.Reject(codes.BadRequest, "websocket_key_invalid").
		WithDetail("Sec-WebSocket-Key must be given once and be 16 bytes in base64."),
	handshake.Subprotocols: policy.Reject(codes.BadRequest, "subprotocols_malformed").
		WithDetail("Sec-WebSocket-Protocol must be a list of tokens."),
	handshake.Protocol: policy.Reject(4501, "protocol_not_supported"). // RFC 9220 §3
										WithAction(codes.Stop).WithDetail("This endpoint speaks no other protocol by extended CONNECT than websocket."),
	handshake.StreamVersion: policy.Reject(codes.BadRequest, "websocket_version_not_supported"). // 426 is for HTTP/1.1
													WithDetail("This endpoint speaks version 13 of the WebSocket protocol.").
													WithHeader("Sec-Websocket-Version", "13"),
	handshake.StreamEnded: policy.Reject(codes.BadRequest, "stream_ended").
		WithDetail("The stream of a WebSocket stays open behind its handshake."),
	handshake.NoSubprotocol: noSubprotocol.Hide(),
}

// noSubprotocol can be told to a client that offered the subprotocol for refusals.
var noSubprotocol = policy.Close(codes.NotAcceptable, "no_common_subprotocol").WithAction(codes.Stop)

// Subprotocols yields the elements of the request's Sec-WebSocket-Protocol in the client's order.
// It ends at the first element that is no token.
func Subprotocols(r *http.Request) iter.Seq[string] {
	return func(yield func(string) bool) {
		for token, ok := range handshake.Tokens(r.Header["Sec-Websocket-Protocol"]) {
			if !ok || !yield(token) {
				return
			}
		}
	}
}
