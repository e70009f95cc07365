// Subscribers end when they have heard nothing for thirty seconds. They never leave the hub, which has news three times a second.
// At any moment a timer seems about to end the wait, but the limit starts anew with each turn and is never reached.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type subscriber struct {
	events chan int
	last   int
}

type hub struct {
	mu   sync.Mutex
	subs []*subscriber
}

var news hub

func (h *hub) subscribe() *subscriber {
	s := &subscriber{events: make(chan int, 2)}
	h.mu.Lock()
	h.subs = append(h.subs, s)
	h.mu.Unlock()
	return s
}

func (h *hub) publish(event int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.subs {
		select {
		case s.events <- event:
		default:
		}
	}
}

func (s *subscriber) listen() {
	for {
		select { // WAITS: subscriber
		case s.last = <-s.events:
		case <-time.After(30 * time.Second):
			return
		}
	}
}

func view() {
	s := news.subscribe()
	go s.listen() // LEAK: subscriber
	time.Sleep(time.Duration(rand.Intn(300)) * time.Millisecond)
}

func main() {
	go func() {
		for i := 0; ; i++ {
			news.publish(i)
			time.Sleep(330 * time.Millisecond)
		}
	}()
	go func() {
		for {
			go view()
			time.Sleep(900 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
