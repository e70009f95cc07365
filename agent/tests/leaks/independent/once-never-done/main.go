// Backends are dialled lazily under a sync.Once. One of the three never announces that it is connected: whoever asks for it waits in
// the once, or in its initializer.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type backend struct {
	once      sync.Once
	connected chan struct{}
	hits      int64
	mu        sync.Mutex
}

func (b *backend) dial() {
	<-b.connected // WAITS: request
}

func (b *backend) call() {
	b.once.Do(b.dial) // WAITS: request
	b.mu.Lock()
	b.hits++
	b.mu.Unlock()
	time.Sleep(time.Duration(5+rand.Intn(40)) * time.Millisecond)
}

func main() {
	backends := make([]*backend, 3)
	for i := range backends {
		backends[i] = &backend{connected: make(chan struct{})}
	}
	for _, b := range backends[:2] {
		b := b
		time.AfterFunc(500*time.Millisecond, func() { close(b.connected) })
	}
	go func() {
		for {
			b := backends[rand.Intn(len(backends))]
			go b.call() // LEAK: request
			time.Sleep(time.Duration(100+rand.Intn(130)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
