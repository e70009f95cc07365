// A nightly job in small: every fourteen seconds thirty parts are started in turn; each waits for a slot, works, and reports when
// the whole batch is through.
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
	slots    chan struct{}
	finished chan struct{}
	wg       sync.WaitGroup
}

func (b *batch) part() {
	b.slots <- struct{}{}
	time.Sleep(time.Duration(300+rand.Intn(900)) * time.Millisecond)
	<-b.slots
	b.wg.Done()
	<-b.finished
}

func run(parts int) {
	b := &batch{slots: make(chan struct{}, 4), finished: make(chan struct{})}
	b.wg.Add(parts)
	for i := 0; i < parts; i++ {
		go b.part()
		time.Sleep(100 * time.Millisecond)
	}
	b.wg.Wait()
	close(b.finished)
}

func main() {
	go func() {
		for {
			run(30)
			time.Sleep(4 * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
