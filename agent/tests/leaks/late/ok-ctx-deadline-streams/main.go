// Watch streams: each has a context with a 2 min deadline and waits on ctx.Done() only (e.g. server-side watch cache). 1.5 per second.
package main

import (
	"context"
	"math/rand"
	"sync"
	"time"
)

type watchCache struct {
	mu sync.Mutex
	w  map[int]chan string
}

func (c *watchCache) watch(ctx context.Context, id int) {
	ch := make(chan string, 8)
	c.mu.Lock()
	c.w[id] = ch
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.w, id)
		c.mu.Unlock()
	}()
	for {
		select {
		case <-ch:
		case <-ctx.Done():
			return
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	c := &watchCache{w: map[int]chan string{}}
	for id := 0; ; id++ {
		id := id
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
			defer cancel()
			c.watch(ctx, id)
		}()
		time.Sleep(time.Duration(400+rand.Intn(500)) * time.Millisecond)
	}
}
