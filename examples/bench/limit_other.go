//go:build !unix

package bench

func limit(n int) int { return n }
