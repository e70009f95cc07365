// Cache with request coalescing; loads take 2 to 9 s, entries live 10 s; 25 requests per second.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type call struct {
	wg  sync.WaitGroup
	val int
}
type cache struct {
	mu  sync.Mutex
	fl  map[int]*call
	val map[int]time.Time
}

func (c *cache) get(k int) int {
	c.mu.Lock()
	if exp, ok := c.val[k]; ok && time.Now().Before(exp) {
		c.mu.Unlock()
		return k
	}
	if cl, ok := c.fl[k]; ok {
		c.mu.Unlock()
		cl.wg.Wait()
		return cl.val
	}
	cl := &call{}
	cl.wg.Add(1)
	c.fl[k] = cl
	c.mu.Unlock()
	time.Sleep(time.Duration(2000+rand.Intn(7000)) * time.Millisecond)
	cl.val = k
	cl.wg.Done()
	c.mu.Lock()
	delete(c.fl, k)
	c.val[k] = time.Now().Add(10 * time.Second)
	c.mu.Unlock()
	return k
}

func main() {
	rand.Seed(time.Now().UnixNano())
	c := &cache{fl: map[int]*call{}, val: map[int]time.Time{}}
	for {
		k := rand.Intn(12)
		go c.get(k)
		time.Sleep(time.Duration(20+rand.Intn(40)) * time.Millisecond)
	}
}
