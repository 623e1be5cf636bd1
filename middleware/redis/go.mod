module github.com/wsverdict/wsverdict/middleware/redis

go 1.26.0

require (
	github.com/go-chi/chi/v5 v5.5.0
	github.com/gobwas/ws v1.5.0
	github.com/redis/go-redis/v9 v9.22.0
	github.com/wsverdict/wsverdict v0.0.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	go.uber.org/atomic v1.11.0 // indirect
	golang.org/x/sys v0.30.0 // indirect
)

replace github.com/wsverdict/wsverdict => ../../
