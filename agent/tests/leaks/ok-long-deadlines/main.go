// Requests wait for an approval that takes long, under a deadline of five minutes. They come all the time and none ends soon.
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

type approvals struct {
	mu      sync.Mutex
	waiting map[int]chan bool
}

func (a *approvals) request(ctx context.Context, id int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	answer := make(chan bool, 1)
	a.mu.Lock()
	a.waiting[id] = answer
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.waiting, id)
		a.mu.Unlock()
	}()
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func main() {
	a := &approvals{waiting: map[int]chan bool{}}
	go func() {
		for id := 0; ; id++ {
			id := id
			go func() { _ = a.request(context.Background(), id) }()
			time.Sleep(time.Duration(300+rand.Intn(700)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
