// Each job has a watchdog that sleeps and looks again until the job is done. Nobody ever tells it so, and nothing else knows the
// job: no watchdog ends, and each of them wakes twice a second.
package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

type job struct{ done int32 }

func (j *job) watchdog() {
	for atomic.LoadInt32(&j.done) == 0 {
		time.Sleep(500 * time.Millisecond) // WAITS: watchdog
	}
}

func main() {
	go func() {
		for {
			j := &job{}
			go j.watchdog() // LEAK: watchdog
			time.Sleep(900 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
