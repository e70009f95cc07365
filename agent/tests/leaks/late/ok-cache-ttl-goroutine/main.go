// Cache with a goroutine per entry that removes it after a TTL of 60 s. 8 new entries per second.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type cache struct {
	mu sync.RWMutex
	m  map[int]string
}

func (c *cache) set(k int, v string, ttl time.Duration) {
	c.mu.Lock()
	c.m[k] = v
	c.mu.Unlock()
	go func() {
		<-time.After(ttl)
		c.mu.Lock()
		delete(c.m, k)
		c.mu.Unlock()
	}()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	c := &cache{m: map[int]string{}}
	for k := 0; ; k++ {
		c.set(k, "value", 60*time.Second)
		time.Sleep(time.Duration(80+rand.Intn(90)) * time.Millisecond)
	}
}
