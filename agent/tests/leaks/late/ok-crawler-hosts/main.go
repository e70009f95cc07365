// Crawler: a goroutine per host with politeness delay 1 to 5 s, ends when the host's queue has been empty for 15 s; frontier grows, then shrinks.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type crawler struct {
	mu    sync.Mutex
	hosts map[int]chan int
}

func (c *crawler) host(id int, q chan int) {
	delay := time.Duration(1000+rand.Intn(4000)) * time.Millisecond
	for {
		select {
		case <-q:
			time.Sleep(delay)
		case <-time.After(15 * time.Second):
			c.mu.Lock()
			if len(q) > 0 {
				c.mu.Unlock()
				continue
			}
			delete(c.hosts, id)
			c.mu.Unlock()
			return
		}
	}
}

func (c *crawler) enqueue(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.hosts[id]
	if q == nil {
		q = make(chan int, 20)
		c.hosts[id] = q
		go c.host(id, q)
	}
	select {
	case q <- 1:
	default:
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	c := &crawler{hosts: map[int]chan int{}}
	start := time.Now()
	for i := 0; ; i++ {
		// host popularity drifts slowly
		base := int(time.Since(start).Seconds()) * 2
		id := base + int(rand.ExpFloat64()*20)
		c.enqueue(id)
		time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
	}
}
