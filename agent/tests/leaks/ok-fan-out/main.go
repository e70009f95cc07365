// Each request asks ten backends and waits for all, the slowest of which takes a second or two; a late one is cancelled.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

func backend(ctx context.Context, i int) int {
	select {
	case <-time.After(time.Duration(rand.Intn(200*(i+1))) * time.Millisecond):
		return i
	case <-ctx.Done():
		return 0
	}
}

func request() int {
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	answers := make(chan int, 10)
	var wg sync.WaitGroup
	for i := 0; i < 10; i++ {
		i := i
		wg.Add(1)
		go func() {
			defer wg.Done()
			answers <- backend(ctx, i)
		}()
	}
	go func() {
		wg.Wait()
		close(answers)
	}()
	sum := 0
	for a := range answers {
		sum += a
	}
	return sum
}

func main() {
	go func() {
		for {
			go request()
			time.Sleep(time.Duration(100+rand.Intn(300)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
