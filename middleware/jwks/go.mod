module github.com/wsverdict/wsverdict/middleware/jwks

go 1.26.0

require (
	github.com/MicahParks/jwkset v0.11.4
	github.com/MicahParks/keyfunc/v3 v3.9.1
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/wsverdict/wsverdict v0.0.0
	golang.org/x/time v0.15.0
)

require (
	github.com/go-chi/chi/v5 v5.5.0 // indirect
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/gobwas/ws v1.5.0 // indirect
)

replace github.com/wsverdict/wsverdict => ../../
