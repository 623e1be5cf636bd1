package upgrade_test

import (
	"testing"
	"unsafe"

	"github.com/wsverdict/wsverdict/upgrade"
)

// TestConnFitsItsSizeClass: a byte more costs 64 for each connection, and the allocator's header.
func TestConnFitsItsSizeClass(t *testing.T) {
	if size := unsafe.Sizeof(upgrade.Conn{}); unsafe.Sizeof(size) == 8 && size > 512 {
		t.Errorf("a Conn has %d bytes, want at most 512", size)
	}
}
