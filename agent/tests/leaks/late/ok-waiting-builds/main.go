// CI coordinator: builds wait for a runner through sync.Cond; runners (6) take 8 to 20 s per build; a push wave of 1/s lasts 70 s, then quiet 90 s.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type runners struct {
	mu   sync.Mutex
	c    *sync.Cond
	free int
}

func (r *runners) build() {
	r.mu.Lock()
	for r.free == 0 {
		r.c.Wait()
	}
	r.free--
	r.mu.Unlock()
	time.Sleep(time.Duration(8000+rand.Intn(12000)) * time.Millisecond)
	r.mu.Lock()
	r.free++
	r.mu.Unlock()
	r.c.Signal()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	r := &runners{free: 6}
	r.c = sync.NewCond(&r.mu)
	start := time.Now()
	for {
		if int(time.Since(start).Seconds())%160 < 70 {
			go r.build()
		}
		time.Sleep(time.Second)
	}
}
