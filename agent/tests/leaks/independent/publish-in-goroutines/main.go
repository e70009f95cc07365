// A broker sends each message to each subscriber in a goroutine of its own, so that nobody holds up the others. Three of the twenty
// subscribers have stopped to receive, but are still there.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type message struct {
	topic string
	n     int
}

type broker struct {
	mu          sync.RWMutex
	subscribers []chan message
}

func (b *broker) subscribe() <-chan message {
	ch := make(chan message)
	b.mu.Lock()
	b.subscribers = append(b.subscribers, ch)
	b.mu.Unlock()
	return ch
}

func (b *broker) publish(m message) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, ch := range b.subscribers {
		go func(ch chan<- message) { // LEAK: send
			ch <- m // WAITS: send
		}(ch)
	}
}

func consume(messages <-chan message, limit int) {
	seen := 0
	for m := range messages {
		time.Sleep(time.Duration(rand.Intn(15)) * time.Millisecond)
		if seen++; limit > 0 && m.n > limit && seen > limit {
			return
		}
	}
}

func main() {
	b := &broker{}
	for i := 0; i < 20; i++ {
		limit := 0
		if i%7 == 3 {
			limit = 10 + i
		}
		go consume(b.subscribe(), limit)
	}
	go func() {
		for n := 0; ; n++ {
			b.publish(message{"prices", n})
			time.Sleep(time.Duration(60+rand.Intn(80)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
