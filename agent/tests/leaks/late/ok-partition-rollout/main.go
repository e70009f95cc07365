// Tenant onboarding at start: partition consumers start one each 600 ms up to 64, then no more; they run as long as the service.
package main

import (
	"math/rand"
	"time"
)

type consumer struct {
	id int
	in chan int
	n  int
}

func (c *consumer) run() {
	for range c.in {
		c.n++
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	var cs []*consumer
	for i := 0; i < 64; i++ {
		c := &consumer{id: i, in: make(chan int, 8)}
		cs = append(cs, c)
		go c.run()
		time.Sleep(600 * time.Millisecond)
		cs[rand.Intn(len(cs))].in <- 1
	}
	for {
		cs[rand.Intn(len(cs))].in <- 1
		time.Sleep(time.Duration(50+rand.Intn(200)) * time.Millisecond)
	}
}
