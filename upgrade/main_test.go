package upgrade_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsverdict/wsverdict/upgrade/upgradetest"
)

func TestMain(m *testing.M) {
	code := upgradetest.HTTP2(m.Run)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if left := leaked(patience); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines that outlived the tests:\n\n%s\n", left)
		code = 1
	}
	os.Exit(code)
}

// leaked returns the stacks that are still of this package or of net/http when the time is over, ""
// as soon as there are none.
func leaked(within time.Duration) string {
	deadline := time.After(within)
	again := time.NewTicker(10 * time.Millisecond) // the end of a goroutine can only be polled
	defer again.Stop()
	for {
		left := ours()
		if len(left) == 0 {
			return ""
		}
		select {
		case <-again.C:
		case <-deadline:
			return strings.Join(left, "\n\n")
		}
	}
}

func ours() (stacks []string) {
	buf := make([]byte, 1<<20)
	all := string(buf[:runtime.Stack(buf, true)])
	_, others, _ := strings.Cut(all, "\n\n") // the first is the one that asks
	for stack := range strings.SplitSeq(others, "\n\n") {
		if strings.Contains(stack, "wsverdict/upgrade") || strings.Contains(stack, "net/http.") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}
