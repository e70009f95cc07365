// Two thousand short goroutines a second with garbage for the collector, in pulses, some of which wait for a lock or an answer.
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
	mu    sync.RWMutex
	pages map[int][]byte
}

func (c *cache) get(id int) []byte {
	c.mu.RLock()
	page, ok := c.pages[id]
	c.mu.RUnlock()
	if ok {
		return page
	}
	page = make([]byte, 256)
	c.mu.Lock()
	if len(c.pages) > 500 {
		c.pages = map[int][]byte{}
	}
	c.pages[id] = page
	c.mu.Unlock()
	return page
}

func main() {
	c := &cache{pages: map[int][]byte{}}
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			var wg sync.WaitGroup
			for i := 0; i < 100; i++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					c.get(rand.Intn(1000))
				}()
			}
			wg.Wait()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
