// Service drains before a deploy: accepts for 45 s, then no more requests and the 20-40 s jobs end; starts over after all have ended.
package main

import (
	"context"
	"math/rand"
	"sync"
	"time"
)

type svc struct {
	wg   sync.WaitGroup
	quit chan struct{}
}

func (s *svc) stream(ctx context.Context) {
	defer s.wg.Done()
	t := time.NewTimer(time.Duration(20+rand.Intn(20)) * time.Second)
	defer t.Stop()
	hb := time.NewTicker(7 * time.Second)
	defer hb.Stop()
	for {
		select {
		case <-t.C:
			return
		case <-hb.C:
		case <-ctx.Done():
			return
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for {
		s := &svc{quit: make(chan struct{})}
		ctx, cancel := context.WithCancel(context.Background())
		end := time.Now().Add(45 * time.Second)
		for time.Now().Before(end) {
			s.wg.Add(1)
			go s.stream(ctx)
			time.Sleep(time.Duration(100+rand.Intn(200)) * time.Millisecond)
		}
		done := make(chan struct{})
		go func() { s.wg.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			cancel()
			<-done
		}
		cancel()
	}
}
