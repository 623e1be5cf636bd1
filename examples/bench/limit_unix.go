//go:build unix

package bench

import "syscall"

// Limit raises the limit on open files as far as it goes, and returns how many of n connections it leaves room for.
func Limit(n int) int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return n
	}
	l.Cur = l.Max
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
	return int(min(uint64(n), uint64(l.Max)-100))
}
