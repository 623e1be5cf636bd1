package upgradetest

import "testing/synctest"

// inBubble reports whether the test's time is its own (testing/synctest). There is no other way to
// ask: Wait panics where it is not.
func inBubble() (in bool) {
	defer func() {
		if !in {
			_ = recover()
		}
	}()
	synctest.Wait()
	return true
}
