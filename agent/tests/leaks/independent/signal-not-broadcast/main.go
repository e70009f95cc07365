// Callers of a batch wait on its condition until it has been written. The writer says Signal where it should say Broadcast: one caller
// of each batch goes on.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type batch struct {
	mu      sync.Mutex
	written *sync.Cond
	done    bool
	rows    []int
}

func newBatch() *batch {
	b := &batch{}
	b.written = sync.NewCond(&b.mu)
	return b
}

func (b *batch) add(row int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, row)
	for !b.done {
		b.written.Wait() // WAITS: caller
	}
}

func (b *batch) flush() {
	time.Sleep(10 * time.Millisecond)
	b.mu.Lock()
	b.done = true
	b.mu.Unlock()
	b.written.Signal()
}

func main() {
	go func() {
		current := newBatch()
		for n := 1; ; n++ {
			go current.add(n) // LEAK: caller
			time.Sleep(time.Duration(100+rand.Intn(200)) * time.Millisecond)
			// Most batches are of one row.
			if rand.Intn(3) > 0 {
				full := current
				current = newBatch()
				go full.flush()
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
