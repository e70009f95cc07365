// Worker pool with scale up/down: scale-down replaces the jobs channel ("generation"), the old workers stay on the old one.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type job func()

type pool struct {
	mu   sync.RWMutex
	jobs chan job
	size int
}

func (p *pool) worker(jobs <-chan job) {
	for j := range jobs {
		j()
	}
}

func (p *pool) resize(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n < p.size {
		// cannot kill single workers: start a new generation
		p.jobs = make(chan job, 128)
		p.size = 0
	}
	for p.size < n {
		go p.worker(p.jobs) // LEAK: pool-resize
		p.size++
	}
}

func (p *pool) submit(j job) {
	p.mu.RLock()
	c := p.jobs
	p.mu.RUnlock()
	c <- j
}

func main() {
	rand.Seed(time.Now().UnixNano())
	p := &pool{jobs: make(chan job, 128)}
	p.resize(8)
	go func() {
		for {
			p.submit(func() { time.Sleep(time.Duration(10+rand.Intn(50)) * time.Millisecond) })
			time.Sleep(time.Duration(5+rand.Intn(10)) * time.Millisecond)
		}
	}()
	sizes := []int{8, 12, 16, 10, 14, 8}
	for i := 0; ; i++ {
		time.Sleep(time.Duration(2000+rand.Intn(1000)) * time.Millisecond)
		p.resize(sizes[i%len(sizes)])
	}
}
