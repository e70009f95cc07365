// A worker pool is made for each batch and its jobs channel is never closed: the workers of old batches wait for more.
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
	jobs chan func()
	wg   sync.WaitGroup
}

func newPool(workers int) *pool {
	p := &pool{jobs: make(chan func())}
	for i := 0; i < workers; i++ {
		go p.work() // LEAK: worker
	}
	return p
}

func (p *pool) work() {
	for job := range p.jobs { // WAITS: worker
		job()
		p.wg.Done()
	}
}

func (p *pool) submit(job func()) {
	p.wg.Add(1)
	p.jobs <- job
}

func resize(images int) {
	p := newPool(4)
	for i := 0; i < images; i++ {
		p.submit(func() { time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond) })
	}
	p.wg.Wait()
}

func main() {
	go func() {
		for {
			resize(20)
			time.Sleep(time.Duration(2+rand.Intn(4)) * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
