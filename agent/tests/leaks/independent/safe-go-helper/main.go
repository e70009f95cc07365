// All goroutines of the service are started by one helper that recovers panics. Hundreds a second are short; the watchers of orders,
// method values, wait for an event that is sent only for orders that are shipped.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

func safely(work func()) {
	go func() { // LEAK: helper
		defer func() { _ = recover() }()
		work()
	}()
}

type order struct {
	id      int
	shipped chan struct{}
	state   string
}

func (o *order) watch() {
	<-o.shipped // WAITS: helper
	o.state = "shipped"
}

func (o *order) ship() {
	time.Sleep(time.Duration(100+rand.Intn(400)) * time.Millisecond)
	if rand.Intn(4) > 0 {
		close(o.shipped)
	}
}

func metric() { time.Sleep(time.Duration(rand.Intn(30)) * time.Millisecond) }

func main() {
	go func() {
		for {
			safely(metric)
			if rand.Intn(1000) == 0 {
				safely(func() { panic("unexpected") })
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	go func() {
		for id := 0; ; id++ {
			o := &order{id: id, shipped: make(chan struct{})}
			safely(o.watch)
			safely(o.ship)
			time.Sleep(time.Duration(200+rand.Intn(200)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
