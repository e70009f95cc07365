// Each cache has a janitor with a ticker. Caches of tenants come and go; a janitor is stopped with its cache.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type cache struct {
	mu   sync.Mutex
	ages map[int]int
	stop chan struct{}
}

func newCache() *cache {
	c := &cache{ages: map[int]int{}, stop: make(chan struct{})}
	go c.janitor()
	return c
}

func (c *cache) janitor() {
	ticker := time.NewTicker(1500 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.mu.Lock()
			for key := range c.ages {
				delete(c.ages, key)
			}
			c.mu.Unlock()
		case <-c.stop:
			return
		}
	}
}

func main() {
	go func() {
		tenants := make([]*cache, 25)
		for i := range tenants {
			tenants[i] = newCache()
		}
		for {
			time.Sleep(time.Duration(rand.Intn(1200)) * time.Millisecond)
			i := rand.Intn(len(tenants))
			close(tenants[i].stop)
			tenants[i] = newCache()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
