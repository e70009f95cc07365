// A pool of fifty that was there from the start is drained and closed after twenty seconds, and a smaller one takes over.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type pool struct {
	jobs chan int
	wg   sync.WaitGroup
}

func start(n int) *pool {
	p := &pool{jobs: make(chan int)}
	p.wg.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			defer p.wg.Done()
			for range p.jobs {
				time.Sleep(time.Duration(rand.Intn(50)) * time.Millisecond)
			}
		}()
	}
	return p
}

func (p *pool) feed(until time.Time) {
	for time.Now().Before(until) {
		p.jobs <- 1
		time.Sleep(time.Duration(rand.Intn(100)) * time.Millisecond)
	}
	close(p.jobs)
	p.wg.Wait()
}

func main() {
	go func() {
		start(50).feed(time.Now().Add(20 * time.Second))
		for {
			start(8).feed(time.Now().Add(2 * time.Minute))
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
