// A prefetching iterator that callers need not close: when the handle is collected, its finalizer stops the goroutine.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

type prefetcher struct {
	items chan int
	quit  chan struct{}
}

func (p *prefetcher) run() {
	for i := 0; ; i++ {
		select {
		case p.items <- i:
		case <-p.quit:
			return
		}
	}
}

type iterator struct{ p *prefetcher }

func newIterator() *iterator {
	p := &prefetcher{make(chan int, 2), make(chan struct{})}
	go p.run()
	it := &iterator{p}
	runtime.SetFinalizer(it, func(it *iterator) { close(it.p.quit) })
	return it
}

func (it *iterator) next() int { return <-it.p.items }

func use() int {
	it := newIterator()
	sum := 0
	for i := 0; i < 10; i++ {
		sum += it.next()
	}
	return sum
}

var garbage []byte

func main() {
	go func() {
		for range time.Tick(300 * time.Millisecond) {
			use()
			garbage = make([]byte, 100<<10)
		}
	}()
	go func() {
		for range time.Tick(9 * time.Second) {
			runtime.GC()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
