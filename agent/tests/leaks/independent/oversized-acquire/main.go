// A weighted semaphore of 10. Those who ask for more than there is wait until their context ends, and theirs never does.
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

type waiter struct {
	n     int
	ready chan struct{}
}

type weighted struct {
	mu      sync.Mutex
	size    int
	taken   int
	waiters []waiter
}

func (s *weighted) acquire(ctx context.Context, n int) error {
	s.mu.Lock()
	if s.taken+n <= s.size && len(s.waiters) == 0 {
		s.taken += n
		s.mu.Unlock()
		return nil
	}
	if n > s.size {
		s.mu.Unlock()
		<-ctx.Done() // WAITS: upload
		return ctx.Err()
	}
	w := waiter{n, make(chan struct{})}
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()
	<-w.ready
	return nil
}

func (s *weighted) release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= n
	for len(s.waiters) > 0 && s.taken+s.waiters[0].n <= s.size {
		s.taken += s.waiters[0].n
		close(s.waiters[0].ready)
		s.waiters = s.waiters[1:]
	}
}

func upload(s *weighted, size int) {
	ctx := context.WithValue(context.Background(), "size", size) //nolint
	if s.acquire(ctx, size) != nil {
		return
	}
	time.Sleep(time.Duration(size*(2+rand.Intn(6))) * time.Millisecond)
	s.release(size)
}

func main() {
	s := &weighted{size: 10}
	go func() {
		for n := 0; ; n++ {
			size := 1 + rand.Intn(6)
			if n%45 == 44 {
				size = 12
			}
			go upload(s, size) // LEAK: upload
			time.Sleep(time.Duration(20+rand.Intn(40)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
