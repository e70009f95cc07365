// An RPC client keeps calls by number in a map until the reply comes. Some replies never come, and calls have no deadline: the
// caller waits, and the map, which is global, keeps its channel.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type call struct{ reply chan string }

type client struct {
	mu      sync.Mutex
	next    int
	pending map[int]*call
	wire    chan int
}

var rpc = &client{pending: map[int]*call{}, wire: make(chan int, 64)}

func (c *client) call(method string) string {
	c.mu.Lock()
	c.next++
	id, pending := c.next, &call{make(chan string, 1)}
	c.pending[id] = pending
	c.mu.Unlock()
	c.wire <- id
	return <-pending.reply + method // WAITS: caller
}

func (c *client) replies() {
	for id := range c.wire {
		if rand.Intn(50) == 0 {
			continue
		}
		id := id
		time.AfterFunc(time.Duration(rand.Intn(60))*time.Millisecond, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.pending[id].reply <- "ok "
			delete(c.pending, id)
		})
	}
}

func main() {
	go rpc.replies()
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			go rpc.call("get") // LEAK: caller
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
