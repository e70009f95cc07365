// Lease renewers: each job renews its lease each second until released; jobs that end with an error (one in six) are not released.
package main

import (
	"context"
	"math/rand"
	"sync"
	"time"
)

type leases struct {
	mu sync.Mutex
	m  map[int]time.Time
}

func (l *leases) hold(ctx context.Context, id int) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.mu.Lock()
			l.m[id] = time.Now().Add(3 * time.Second)
			l.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

func (l *leases) job(id int) {
	ctx, release := context.WithCancel(context.Background())
	go l.hold(ctx, id) // LEAK: lease-renewer
	time.Sleep(time.Duration(500+rand.Intn(6000)) * time.Millisecond)
	if rand.Intn(6) == 0 {
		return
	}
	release()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	l := &leases{m: map[int]time.Time{}}
	for id := 0; ; id++ {
		go l.job(id)
		time.Sleep(time.Duration(100+rand.Intn(300)) * time.Millisecond)
	}
}
