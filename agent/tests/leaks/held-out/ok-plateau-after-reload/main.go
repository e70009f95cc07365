// The configuration is loaded again after ten seconds, and doubles the number of partitions. Each has a reader that waits on its
// own queue, in a global table; some partitions are never written to.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type partition struct{ queue chan int }

func (p *partition) consume() {
	for range p.queue {
	}
}

var (
	mu         sync.Mutex
	partitions []*partition
)

func reload(n int) {
	mu.Lock()
	defer mu.Unlock()
	for len(partitions) < n {
		p := &partition{make(chan int, 4)}
		partitions = append(partitions, p)
		go p.consume()
	}
}

func main() {
	reload(16)
	time.AfterFunc(10*time.Second, func() { reload(32) })
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			mu.Lock()
			p := partitions[rand.Intn(len(partitions)/2)]
			mu.Unlock()
			p.queue <- 1
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
