module github.com/wsverdict/wsverdict/examples

go 1.26

require github.com/wsverdict/wsverdict v0.0.0

replace github.com/wsverdict/wsverdict => ../
