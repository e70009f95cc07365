// Connections are given to goroutines from a free list, last in first out, as fasthttp does. Bursts make the list longer; who has been
// idle for 8 s is sent home.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type idle struct {
	since time.Time
	work  chan func()
}

type pool struct {
	mu   sync.Mutex
	free []*idle
}

func (p *pool) do(work func()) {
	p.mu.Lock()
	var g *idle
	if n := len(p.free); n > 0 {
		g = p.free[n-1]
		p.free = p.free[:n-1]
	}
	p.mu.Unlock()
	if g == nil {
		g = &idle{work: make(chan func(), 1)}
		go p.run(g)
	}
	g.work <- work
}

func (p *pool) run(g *idle) {
	for work := range g.work {
		if work == nil {
			return
		}
		work()
		p.mu.Lock()
		g.since = time.Now()
		p.free = append(p.free, g)
		p.mu.Unlock()
	}
}

func (p *pool) clean() {
	for {
		time.Sleep(2 * time.Second)
		p.mu.Lock()
		n := 0
		for n < len(p.free) && time.Since(p.free[n].since) > 8*time.Second {
			p.free[n].work <- nil
			n++
		}
		p.free = append([]*idle(nil), p.free[n:]...)
		p.mu.Unlock()
	}
}

func main() {
	p := &pool{}
	go p.clean()
	work := func() { time.Sleep(time.Duration(20+rand.Intn(250)) * time.Millisecond) }
	go func() {
		for {
			p.do(work)
			time.Sleep(time.Duration(20+rand.Intn(40)) * time.Millisecond)
		}
	}()
	go func() {
		for size := 10; ; size = 10 + (size+17)%60 {
			time.Sleep(time.Duration(3000+rand.Intn(3000)) * time.Millisecond)
			for i := 0; i < size; i++ {
				p.do(work)
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
