// A search through a pipeline of stages stops at the first hit: the stages before it cannot send what they have.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

func generate(n int) <-chan int {
	out := make(chan int)
	go func() { // LEAK: generate
		defer close(out)
		for i := 0; i < n; i++ {
			out <- i // WAITS: generate
		}
	}()
	return out
}

func square(in <-chan int) <-chan int {
	out := make(chan int)
	go func() { // LEAK: square
		defer close(out)
		for v := range in {
			out <- v * v // WAITS: square
		}
	}()
	return out
}

func find(in <-chan int, limit int) int {
	for v := range in {
		if v > limit {
			return v
		}
	}
	return -1
}

func main() {
	go func() {
		for range time.Tick(300 * time.Millisecond) {
			find(square(generate(100)), 9000+rand.Intn(3000))
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
