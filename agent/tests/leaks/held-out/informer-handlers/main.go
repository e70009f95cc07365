// Each reconcile of a controller adds an event handler to a shared informer and none is ever removed. A handler is two goroutines:
// one buffers, one calls. The informer is global and has something to say now and then.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type handler struct {
	add, next chan int
	seen      int
}

func (h *handler) run() {
	for object := range h.next { // WAITS: run
		h.seen += object
	}
}

func (h *handler) pop() {
	var pending []int
	for {
		var out chan int
		first := 0
		if len(pending) > 0 {
			out, first = h.next, pending[0]
		}
		select { // WAITS: pop
		case object := <-h.add:
			pending = append(pending, object)
		case out <- first:
			pending = pending[1:]
		}
	}
}

type informer struct {
	mu       sync.Mutex
	handlers []*handler
}

var pods = &informer{}

func (i *informer) addHandler() {
	h := &handler{add: make(chan int), next: make(chan int)}
	i.mu.Lock()
	i.handlers = append(i.handlers, h)
	i.mu.Unlock()
	go h.run() // LEAK: run
	go h.pop() // LEAK: pop
}

func (i *informer) distribute(object int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, h := range i.handlers {
		h.add <- object
	}
}

func main() {
	go func() {
		for {
			time.Sleep(time.Duration(500+rand.Intn(1500)) * time.Millisecond)
			pods.distribute(1)
		}
	}()
	go func() {
		for {
			pods.addHandler()
			time.Sleep(time.Duration(400+rand.Intn(1000)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
