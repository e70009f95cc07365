// Component restarts (config reload every 22 s): new generation of 30 workers starts, the old one drains for 12 s.
package main

import (
	"context"
	"math/rand"
	"sync"
	"time"
)

type component struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	in     chan int
}

func start(n int) *component {
	c := &component{in: make(chan int, 64)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		c.wg.Add(1)
		go c.worker()
	}
	return c
}

func (c *component) worker() {
	defer c.wg.Done()
	for {
		select {
		case <-c.in:
			time.Sleep(time.Duration(10+rand.Intn(200)) * time.Millisecond)
		case <-c.ctx.Done():
			time.Sleep(time.Duration(4000+rand.Intn(8000)) * time.Millisecond) // drain
			return
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	cur := start(30)
	var mu sync.Mutex
	go func() {
		for {
			time.Sleep(22 * time.Second)
			nc := start(30)
			mu.Lock()
			old := cur
			cur = nc
			mu.Unlock()
			go func() {
				old.cancel()
				old.wg.Wait()
			}()
		}
	}()
	for {
		mu.Lock()
		c := cur
		mu.Unlock()
		select {
		case c.in <- 1:
		default:
		}
		time.Sleep(30 * time.Millisecond)
	}
}
