// An autoscaler adds a worker while the queue is long, up to 40, and a worker retires when it has had nothing to do for 6 s. The load is
// high for 20 s, then low for 15.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync/atomic"
	"time"
)

type pool struct {
	jobs    chan int
	workers int32
}

func (p *pool) work() {
	defer atomic.AddInt32(&p.workers, -1)
	idle := time.NewTimer(6 * time.Second)
	defer idle.Stop()
	for {
		select {
		case <-p.jobs:
			time.Sleep(time.Duration(700+rand.Intn(600)) * time.Millisecond)
			if !idle.Stop() {
				select {
				case <-idle.C:
				default:
				}
			}
			idle.Reset(6 * time.Second)
		case <-idle.C:
			return
		}
	}
}

func (p *pool) scale() {
	for {
		time.Sleep(400 * time.Millisecond)
		if (len(p.jobs) > 10 || atomic.LoadInt32(&p.workers) == 0) && atomic.LoadInt32(&p.workers) < 40 {
			atomic.AddInt32(&p.workers, 1)
			go p.work()
		}
	}
}

func main() {
	p := &pool{jobs: make(chan int, 200)}
	go p.scale()
	start := time.Now()
	go func() {
		for n := 0; ; n++ {
			p.jobs <- n
			if time.Since(start)%(35*time.Second) < 20*time.Second {
				time.Sleep(30 * time.Millisecond)
			} else {
				time.Sleep(600 * time.Millisecond)
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
