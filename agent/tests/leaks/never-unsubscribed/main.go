// Subscribers of a hub come with each page view and never unsubscribe. The hub is global and sends to all of them, so their
// goroutines live and work: no one of them is stuck.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type hub struct {
	mu   sync.Mutex
	subs map[chan int]struct{}
}

var prices = &hub{subs: map[chan int]struct{}{}}

func (h *hub) subscribe() chan int {
	ch := make(chan int, 1)
	h.mu.Lock()
	h.subs[ch] = struct{}{}
	h.mu.Unlock()
	return ch
}

func (h *hub) publish(price int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subs {
		select {
		case ch <- price:
		default:
		}
	}
}

func view() {
	ch := prices.subscribe()
	last := 0
	go func() { // LEAK: view
		for price := range ch { // WAITS: view
			last = price
		}
	}()
	time.Sleep(time.Duration(rand.Intn(500)) * time.Millisecond)
	_ = last
}

func main() {
	go func() {
		for range time.Tick(400 * time.Millisecond) {
			prices.publish(rand.Intn(100))
		}
	}()
	go func() {
		for {
			go view()
			time.Sleep(time.Duration(300+rand.Intn(600)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
