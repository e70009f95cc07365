// Autoscaling worker pool: grows by one per second while the queue is long, workers end after 20 s without a job, load has 80 s waves.
package main

import (
	"math/rand"
	"sync/atomic"
	"time"
)

type pool struct {
	jobs chan time.Duration
	n    int64
}

func (p *pool) worker() {
	defer atomic.AddInt64(&p.n, -1)
	idle := time.NewTimer(20 * time.Second)
	for {
		select {
		case d := <-p.jobs:
			time.Sleep(d)
			if !idle.Stop() {
				select {
				case <-idle.C:
				default:
				}
			}
			idle.Reset(20 * time.Second)
		case <-idle.C:
			return
		}
	}
}

func (p *pool) scale() {
	for {
		time.Sleep(time.Second)
		if len(p.jobs) > 4 && atomic.LoadInt64(&p.n) < 120 {
			for i := 0; i < 2; i++ {
				atomic.AddInt64(&p.n, 1)
				go p.worker()
			}
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	p := &pool{jobs: make(chan time.Duration, 500)}
	for i := 0; i < 4; i++ {
		atomic.AddInt64(&p.n, 1)
		go p.worker()
	}
	go p.scale()
	start := time.Now()
	for {
		busy := int(time.Since(start).Seconds())%80 < 45
		gap := 200 * time.Millisecond
		if busy {
			gap = 15 * time.Millisecond
		}
		select {
		case p.jobs <- time.Duration(500+rand.Intn(1000)) * time.Millisecond:
		default:
		}
		time.Sleep(gap)
	}
}
