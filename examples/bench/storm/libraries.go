package storm

import gorilla "github.com/gorilla/websocket"

const (
	gorillaChain = "chi, httprate, jwtauth, gorilla"
	handmade     = "gobwas, all checks by hand"
)

var libraries = []library{
	{handmade, widespread, byHand},
	{gorillaChain, widespread, chained(&gorillaEnd{up: gorilla.Upgrader{}})},
	{"chi, httprate, jwtauth, coder", widespread, chained(coderEnd{})},
	{"chi, httprate, jwtauth, gws", widespread, chained(newGwsEnd())},
	{"centrifuge", centrifugeJS, centrifugal},
	ours,
}
