// Reminders are set once a second for 5 to 70 s later; some are cancelled before.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type reminder struct {
	id     int
	due    time.Duration
	cancel chan struct{}
}

type calendar struct {
	mu   sync.Mutex
	open map[int]*reminder
	rung int
}

func (c *calendar) wait(r *reminder) {
	timer := time.NewTimer(r.due)
	defer timer.Stop()
	select {
	case <-timer.C:
		c.mu.Lock()
		c.rung++
		c.mu.Unlock()
	case <-r.cancel:
	}
	c.mu.Lock()
	delete(c.open, r.id)
	c.mu.Unlock()
}

func (c *calendar) drop(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, found := c.open[id]; found {
		close(r.cancel)
		delete(c.open, id)
	}
}

func main() {
	c := &calendar{open: map[int]*reminder{}}
	go func() {
		for id := 0; ; id++ {
			r := &reminder{id, time.Duration(5+rand.Intn(65)) * time.Second, make(chan struct{})}
			c.mu.Lock()
			c.open[id] = r
			c.mu.Unlock()
			go c.wait(r)
			if id%6 == 5 {
				c.drop(id - rand.Intn(20))
			}
			time.Sleep(time.Duration(700+rand.Intn(600)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
