// An unbounded queue with a condition variable whose close wakes nobody: the reader of each closed queue waits for ever.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type queue struct {
	mu     sync.Mutex
	cond   *sync.Cond
	items  []int
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.cond = sync.NewCond(&q.mu)
	return q
}

func (q *queue) put(item int) {
	q.mu.Lock()
	q.items = append(q.items, item)
	q.mu.Unlock()
	q.cond.Signal()
}

func (q *queue) get() (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.cond.Wait() // WAITS: reader
	}
	if len(q.items) == 0 {
		return 0, false
	}
	item := q.items[0]
	q.items = q.items[1:]
	return item, true
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}

// stream is one client connection: it lives for a second or two.
func stream() {
	q := newQueue()
	go func() { // LEAK: reader
		for {
			if _, ok := q.get(); !ok {
				return
			}
		}
	}()
	for i := 0; i < 10+rand.Intn(10); i++ {
		q.put(i)
		time.Sleep(100 * time.Millisecond)
	}
	q.close()
}

func main() {
	go func() {
		for {
			go stream()
			time.Sleep(time.Duration(600+rand.Intn(600)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
