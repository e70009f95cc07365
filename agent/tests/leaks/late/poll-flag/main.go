// Job status poller: polls a flag each 200 ms; jobs that fail never set it.
package main

import (
	"math/rand"
	"sync/atomic"
	"time"
)

type job struct{ done int32 }

func (j *job) wait(cb func()) {
	for atomic.LoadInt32(&j.done) == 0 {
		time.Sleep(200 * time.Millisecond)
	}
	cb()
}

func (j *job) exec() {
	time.Sleep(time.Duration(100+rand.Intn(2000)) * time.Millisecond)
	if rand.Intn(6) == 0 {
		return
	}
	atomic.StoreInt32(&j.done, 1)
}

func main() {
	rand.Seed(time.Now().UnixNano())
	var n int64
	for {
		j := &job{}
		go j.exec()
		go j.wait(func() { atomic.AddInt64(&n, 1) }) // LEAK: poll-flag
		time.Sleep(time.Duration(200+rand.Intn(300)) * time.Millisecond)
	}
}
