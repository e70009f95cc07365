// Four slots, each held for one to two seconds; groups of twenty requests wait for them and give up after twelve seconds.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type semaphore chan struct{}

func (s semaphore) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func request(s semaphore) {
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Second)
	defer cancel()
	if s.acquire(ctx) != nil {
		return
	}
	time.Sleep(time.Duration(1000+rand.Intn(1000)) * time.Millisecond)
	<-s
}

func main() {
	s := make(semaphore, 4)
	go func() {
		for {
			for i := 0; i < 20; i++ {
				go request(s)
			}
			time.Sleep(time.Duration(6+rand.Intn(6)) * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
