// Replicas agree in rounds: each waits until the round is complete. A replica that crashed is not taken off the count, and the
// others wait. Every client session has its own replicas.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type barrier struct {
	mu      sync.Mutex
	cond    *sync.Cond
	size    int
	waiting int
	round   int
}

func newBarrier(size int) *barrier {
	b := &barrier{size: size}
	b.cond = sync.NewCond(&b.mu)
	return b
}

func (b *barrier) await() {
	b.mu.Lock()
	defer b.mu.Unlock()
	round := b.round
	b.waiting++
	if b.waiting == b.size {
		b.waiting, b.round = 0, b.round+1
		b.cond.Broadcast()
		return
	}
	for round == b.round {
		b.cond.Wait() // WAITS: replica
	}
}

func replica(b *barrier, rounds int) {
	defer func() { _ = recover() }()
	for i := 0; i < rounds; i++ {
		time.Sleep(time.Duration(rand.Intn(50)) * time.Millisecond)
		if rand.Intn(60) == 0 {
			panic("lost")
		}
		b.await()
	}
}

func main() {
	go func() {
		for range time.Tick(700 * time.Millisecond) {
			b := newBarrier(3)
			for i := 0; i < 3; i++ {
				go replica(b, 8) // LEAK: replica
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
