//go:build !unix

package storm

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
