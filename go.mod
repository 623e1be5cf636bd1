module github.com/wsverdict/wsverdict

go 1.26

require (
	github.com/go-chi/chi/v5 v5.5.0
	github.com/gobwas/ws v1.5.0
	github.com/golang-jwt/jwt/v5 v5.3.1
)

require github.com/gobwas/httphead v0.1.0 // indirect
