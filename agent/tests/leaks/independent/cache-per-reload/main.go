// At each reload of its configuration a service makes its cache anew. The cache has a janitor by a ticker; the old cache is dropped, its
// janitor is not.
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
	value   string
	expires time.Time
}

type cache struct {
	mu      sync.Mutex
	entries map[string]entry
}

func newCache(sweep time.Duration) *cache {
	c := &cache{entries: map[string]entry{}}
	go c.janitor(sweep) // LEAK: janitor
	return c
}

func (c *cache) janitor(sweep time.Duration) {
	ticker := time.NewTicker(sweep)
	defer ticker.Stop()
	for now := range ticker.C { // WAITS: janitor
		c.mu.Lock()
		for key, e := range c.entries {
			if now.After(e.expires) {
				delete(c.entries, key)
			}
		}
		c.mu.Unlock()
	}
}

func (c *cache) put(key, value string) {
	c.mu.Lock()
	c.entries[key] = entry{value, time.Now().Add(3 * time.Second)}
	c.mu.Unlock()
}

type service struct {
	mu    sync.RWMutex
	cache *cache
}

func (s *service) reload() {
	fresh := newCache(2 * time.Second)
	s.mu.Lock()
	s.cache = fresh
	s.mu.Unlock()
}

func (s *service) handle(n int) {
	s.mu.RLock()
	c := s.cache
	s.mu.RUnlock()
	c.put(fmt.Sprint(n%200), "value")
	time.Sleep(time.Duration(rand.Intn(30)) * time.Millisecond)
}

func main() {
	s := &service{}
	s.reload()
	go func() {
		for {
			time.Sleep(2500 * time.Millisecond)
			s.reload()
		}
	}()
	go func() {
		for n := 0; ; n++ {
			go s.handle(n)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
