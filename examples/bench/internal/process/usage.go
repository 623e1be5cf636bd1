// Package process tells what this process takes.
package process

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// A Usage is what a process has used and holds.
type Usage struct {
	CPU        time.Duration // of all its threads
	Peak       int64         // resident bytes at most, since its start
	Resident   int64
	InUse      int64 // heap and stacks
	Goroutines int
	Files      int // that are open, sockets included; 0 where that is not known
}

// Now is this process's.
func Now() Usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := Usage{CPU: cpuTime(), InUse: int64(m.HeapInuse + m.StackInuse), Goroutines: runtime.NumGoroutine()}
	u.Peak, u.Resident = resident()
	files, _ := os.ReadDir("/proc/self/fd")
	u.Files = len(files)
	return u
}

// Collect collects garbage, all of it.
func Collect() {
	for range 3 { // pools let go of what they hold at the second
		runtime.GC()
	}
	debug.FreeOSMemory()
}

// resident is what Linux says of this process: 0 elsewhere.
func resident() (peak, now int64) {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		var kB int64
		switch name, value, _ := strings.Cut(line, ":"); name {
		case "VmHWM":
			fmt.Sscan(value, &kB)
			peak = kB << 10
		case "VmRSS":
			fmt.Sscan(value, &kB)
			now = kB << 10
		}
	}
	return peak, now
}
