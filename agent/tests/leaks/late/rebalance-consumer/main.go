// Consumer group: on each rebalance new partition consumers are started; revoked partitions are dropped from the map,
// but their goroutine is only told to stop when it was in the middle of a fetch (paused ones are forgotten).
package main

import (
	"math/rand"
	"sync"
	"time"
)

type msg struct{ off int64 }

type partition struct {
	id     int
	msgs   chan msg
	resume chan struct{}
	quit   chan struct{}
	paused bool
	mu     sync.Mutex
}

func (p *partition) consume(out chan<- msg) {
	for {
		p.mu.Lock()
		paused := p.paused
		p.mu.Unlock()
		if paused {
			<-p.resume
			continue
		}
		select {
		case m := <-p.msgs:
			select {
			case out <- m:
			case <-p.quit:
				return
			}
		case <-p.quit:
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

type group struct {
	parts map[int]*partition
	out   chan msg
}

func (g *group) assign(id int) {
	p := &partition{id: id, msgs: make(chan msg, 16), resume: make(chan struct{}), quit: make(chan struct{})}
	g.parts[id] = p
	go p.consume(g.out) // LEAK: rebalance-consumer
	go func() {
		for i := int64(0); ; i++ {
			select {
			case p.msgs <- msg{i}:
			case <-p.quit:
				return
			}
			time.Sleep(time.Duration(20+rand.Intn(80)) * time.Millisecond)
		}
	}()
}

func (g *group) revoke(id int) {
	if p, ok := g.parts[id]; ok {
		close(p.quit)
		delete(g.parts, id)
	}
}

func (g *group) pause(id int) {
	if p, ok := g.parts[id]; ok {
		p.mu.Lock()
		p.paused = true
		p.mu.Unlock()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	g := &group{parts: map[int]*partition{}, out: make(chan msg)}
	go func() {
		for range g.out {
		}
	}()
	for i := 0; i < 24; i++ {
		g.assign(i)
	}
	for {
		time.Sleep(time.Duration(2500+rand.Intn(1000)) * time.Millisecond)
		for i := 0; i < 6; i++ {
			id := rand.Intn(24)
			if i < 2 {
				g.pause(id) // back pressure right before the rebalance
				time.Sleep(400 * time.Millisecond)
			}
			g.revoke(id)
			g.assign(id)
		}
	}
}
