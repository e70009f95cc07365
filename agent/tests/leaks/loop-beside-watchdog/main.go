// Each job has a watchdog, which ends after half a second, and a loop that is started by the next statement. Most loops end within 300 ms; a
// tenth is never told to, and wakes a few times a second for good.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync/atomic"
	"time"
)

type job struct {
	done  int32
	turns int
}

func (j *job) watchdog() {
	time.Sleep(500 * time.Millisecond)
}

func (j *job) run() {
	for atomic.LoadInt32(&j.done) == 0 {
		time.Sleep(time.Duration(20+rand.Intn(200)) * time.Millisecond) // WAITS: run
		j.turns++
	}
}

func start(number int) {
	j := &job{}
	go j.watchdog()
	go j.run() // LEAK: run
	if number%10 != 0 {
		time.AfterFunc(time.Duration(50+rand.Intn(200))*time.Millisecond, func() { atomic.StoreInt32(&j.done, 1) })
	}
}

func main() {
	go func() {
		for number := 0; ; number++ {
			start(number)
			time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
