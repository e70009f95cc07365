// A pipeline that runs for good, in bounded pieces: parsing, enriching by eight in parallel, writing; a new one for each file.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

func parse(n int) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for i := 0; i < n; i++ {
			out <- i
		}
	}()
	return out
}

func enrich(in <-chan int) <-chan int {
	out := make(chan int)
	var wg sync.WaitGroup
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for v := range in {
				time.Sleep(time.Duration(rand.Intn(200)) * time.Millisecond)
				out <- v
			}
		}()
	}
	go func() {
		wg.Wait()
		close(out)
	}()
	return out
}

func file(n int) {
	for range enrich(parse(n)) {
		time.Sleep(5 * time.Millisecond)
	}
}

func main() {
	go func() {
		for {
			go file(50 + rand.Intn(250))
			time.Sleep(time.Duration(1000+rand.Intn(2500)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
