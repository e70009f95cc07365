// Orders are asked for again and again until they are there, each for ten minutes at most: they come all the time, and none waits long
// enough between two questions to be seen there twice.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

var asked int64

func poll(ctx context.Context, every time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			atomic.AddInt64(&asked, 1)
		}
	}
}

func main() {
	go func() {
		for {
			go poll(context.Background(), 100*time.Millisecond)
			time.Sleep(500 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Fprintln(os.Stderr, atomic.LoadInt64(&asked))
}
