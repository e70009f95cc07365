// Bursts of two hundred tasks every eight seconds, each of up to three seconds; nothing stays.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type work struct{ weight int }

func (w work) run(done chan<- int) {
	time.Sleep(time.Duration(rand.Intn(3000)) * time.Millisecond)
	done <- w.weight
}

func burst(n int) int {
	done := make(chan int)
	var wg sync.WaitGroup
	wg.Add(n)
	for i := 0; i < n; i++ {
		w := work{i}
		go func() {
			defer wg.Done()
			w.run(done)
		}()
	}
	go func() {
		wg.Wait()
		close(done)
	}()
	sum := 0
	for v := range done {
		sum += v
	}
	return sum
}

func main() {
	go func() {
		for range time.Tick(8 * time.Second) {
			burst(200)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
