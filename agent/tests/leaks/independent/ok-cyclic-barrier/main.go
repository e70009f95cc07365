// Players wait at a barrier until 26 of them are there, which takes some 15 s; then all of them go on, and the next round gathers.
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
	opened  *sync.Cond
	size    int
	waiting int
	round   int
}

func (b *barrier) await() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	round := b.round
	if b.waiting++; b.waiting == b.size {
		b.waiting = 0
		b.round++
		b.opened.Broadcast()
		return round
	}
	for round == b.round {
		b.opened.Wait()
	}
	return round
}

func player(b *barrier) {
	time.Sleep(time.Duration(rand.Intn(100)) * time.Millisecond)
	b.await()
	time.Sleep(time.Duration(500+rand.Intn(2000)) * time.Millisecond)
}

func main() {
	b := &barrier{size: 26}
	b.opened = sync.NewCond(&b.mu)
	go func() {
		for {
			go player(b)
			time.Sleep(time.Duration(400+rand.Intn(350)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
