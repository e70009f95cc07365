// Target program that is idle but for a leak: 10 goroutines a second, with nothing allocated on the heap by itself and the
// collector off. For each it says between which times (ns since 1970) it was started.
package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

var forever = make(chan struct{})

func leak() { <-forever }

func main() {
	debug.SetGCPercent(-1)
	line := make([]byte, 0, 64)
	line = append(strconv.AppendInt(append(line, "ready "...), int64(os.Getpid()), 10), '\n')
	for {
		if _, err := syscall.Write(1, line); err != nil {
			return
		}
		pause := syscall.Timespec{Nsec: 100_000_000}
		_ = syscall.Nanosleep(&pause, nil)
		before := time.Now().UnixNano()
		go leak()
		after := time.Now().UnixNano()
		line = append(strconv.AppendInt(line[:0], before, 10), ' ')
		line = append(strconv.AppendInt(line, after, 10), '\n')
	}
}
