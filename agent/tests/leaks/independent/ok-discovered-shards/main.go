// A consumer discovers the 48 partitions of its topics, two a second, and starts a fetcher and a handler for each. After that there are
// no more. Most partitions are quiet.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type partition struct {
	id      int
	records chan int
	commits chan int
}

func (p *partition) fetch() {
	for record := range p.records {
		p.commits <- record
	}
}

func (p *partition) handle(done *sync.WaitGroup) {
	defer done.Done()
	offset := 0
	for record := range p.commits {
		offset += record
	}
}

type consumer struct {
	mu         sync.RWMutex
	partitions []*partition
	done       sync.WaitGroup
}

func (c *consumer) discover() {
	for id := 0; id < 48; id++ {
		p := &partition{id, make(chan int), make(chan int)}
		c.done.Add(1)
		go p.fetch()
		go p.handle(&c.done)
		c.mu.Lock()
		c.partitions = append(c.partitions, p)
		c.mu.Unlock()
		time.Sleep(500 * time.Millisecond)
	}
}

func (c *consumer) broker() {
	for {
		time.Sleep(time.Duration(20+rand.Intn(60)) * time.Millisecond)
		c.mu.RLock()
		var p *partition
		if n := len(c.partitions); n > 0 {
			// The first eight get nearly all records.
			if p = c.partitions[rand.Intn(n)]; rand.Intn(20) > 0 {
				p = c.partitions[p.id%8]
			}
		}
		c.mu.RUnlock()
		if p != nil {
			p.records <- rand.Intn(10)
		}
	}
}

func main() {
	c := &consumer{}
	go c.discover()
	go c.broker()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
