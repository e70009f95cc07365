// A request is hedged: when the first replica is late a second is asked, and the first answer counts. The future of the loser has a
// channel without a place for its value.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type future[T any] struct {
	value chan T
}

func start[T any](work func() T) *future[T] {
	f := &future[T]{make(chan T)}
	go func() { // LEAK: future
		value := work()
		f.value <- value // WAITS: future
	}()
	return f
}

type row struct {
	replica int
	data    [64]byte
}

func read(replica int) row {
	delay := time.Duration(5+rand.Intn(20)) * time.Millisecond
	if rand.Intn(12) == 0 {
		delay = time.Duration(80+rand.Intn(80)) * time.Millisecond
	}
	time.Sleep(delay)
	return row{replica: replica}
}

func get() row {
	first := start(func() row { return read(0) })
	select {
	case r := <-first.value:
		return r
	case <-time.After(50 * time.Millisecond):
	}
	second := start(func() row { return read(1) })
	select {
	case r := <-first.value:
		return r
	case r := <-second.value:
		return r
	}
}

func main() {
	for client := 0; client < 6; client++ {
		go func() {
			for {
				_ = get()
				time.Sleep(time.Duration(50+rand.Intn(250)) * time.Millisecond)
			}
		}()
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
