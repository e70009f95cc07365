// A client reconnects when its connection breaks, and starts another keep-alive loop each time; the old loops go on.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync/atomic"
	"time"
)

type client struct {
	broken chan struct{}
	quit   chan struct{}
	pings  int64
}

func (c *client) keepAlive() {
	for {
		select { // WAITS: loop
		case <-c.quit:
			return
		case <-time.After(300 * time.Millisecond):
			atomic.AddInt64(&c.pings, 1)
		}
	}
}

func (c *client) connect() {
	for {
		go c.keepAlive() // LEAK: loop
		<-c.broken
	}
}

func main() {
	c := &client{broken: make(chan struct{}), quit: make(chan struct{})}
	go c.connect()
	go func() {
		for {
			time.Sleep(time.Duration(500+rand.Intn(1500)) * time.Millisecond)
			c.broken <- struct{}{}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
