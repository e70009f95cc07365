// A pool is resized with the load every few seconds: workers are added and told to quit.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type pool struct {
	jobs  chan func()
	quits []chan struct{}
}

func (p *pool) work(quit <-chan struct{}) {
	for {
		select {
		case job := <-p.jobs:
			job()
		case <-quit:
			return
		}
	}
}

func (p *pool) resize(n int) {
	for len(p.quits) < n {
		quit := make(chan struct{})
		p.quits = append(p.quits, quit)
		go p.work(quit)
	}
	for len(p.quits) > n {
		close(p.quits[len(p.quits)-1])
		p.quits = p.quits[:len(p.quits)-1]
	}
}

func main() {
	p := &pool{jobs: make(chan func())}
	go func() {
		for {
			p.resize(5 + rand.Intn(40))
			time.Sleep(time.Duration(2+rand.Intn(4)) * time.Second)
		}
	}()
	go func() {
		for range time.Tick(30 * time.Millisecond) {
			select {
			case p.jobs <- func() { time.Sleep(10 * time.Millisecond) }:
			default:
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
