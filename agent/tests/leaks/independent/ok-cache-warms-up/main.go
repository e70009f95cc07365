// A cache of 64 entries, each refreshed by a goroutine from its first use on. At the start nearly each use is a first one, after half a
// minute none.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type entry struct {
	key   int
	mu    sync.Mutex
	value int
	stale chan struct{}
}

func (e *entry) refresh() {
	for range e.stale {
		time.Sleep(time.Duration(10+rand.Intn(100)) * time.Millisecond)
		e.mu.Lock()
		e.value++
		e.mu.Unlock()
	}
}

type cache struct {
	mu      sync.RWMutex
	entries map[int]*entry
}

func (c *cache) get(key int) int {
	c.mu.RLock()
	e := c.entries[key]
	c.mu.RUnlock()
	if e == nil {
		c.mu.Lock()
		if e = c.entries[key]; e == nil {
			e = &entry{key: key, stale: make(chan struct{}, 1)}
			c.entries[key] = e
			go e.refresh()
		}
		c.mu.Unlock()
	}
	if rand.Intn(4) == 0 {
		select {
		case e.stale <- struct{}{}:
		default:
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.value
}

func main() {
	c := &cache{entries: map[int]*entry{}}
	go func() {
		for {
			_ = c.get(rand.Intn(64))
			time.Sleep(time.Duration(50+rand.Intn(80)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
