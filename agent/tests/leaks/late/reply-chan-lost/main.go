// Command queue: workers answer through a reply channel; commands dropped because of a duplicate id never get an answer.
// One of some 150 requests of the same go statement, at 120/s.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type command struct {
	id    int
	reply chan error
}

type processor struct {
	in   chan command
	mu   sync.Mutex
	seen map[int]bool
}

func (p *processor) worker() {
	for c := range p.in {
		p.mu.Lock()
		dup := p.seen[c.id]
		p.seen[c.id] = true
		p.mu.Unlock()
		if dup {
			continue // idempotent: ignore
		}
		time.Sleep(time.Duration(1+rand.Intn(10)) * time.Millisecond)
		c.reply <- nil
	}
}

func (p *processor) execute(id int) error {
	c := command{id, make(chan error, 1)}
	p.in <- c
	return <-c.reply
}

func main() {
	rand.Seed(time.Now().UnixNano())
	p := &processor{in: make(chan command, 64), seen: map[int]bool{}}
	for i := 0; i < 8; i++ {
		go p.worker()
	}
	for id := 1; ; id++ {
		n := id
		if rand.Intn(150) == 0 {
			n = id - 1 // client retry
		}
		go p.execute(n) // LEAK: reply-chan-lost
		time.Sleep(8 * time.Millisecond)
	}
}
