// A service is restarted in place every eleven seconds: the old one takes no more, finishes what it has, and goes.
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

type service struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	queue  chan int
}

func startService() *service {
	s := &service{queue: make(chan int, 16)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for i := 0; i < 10; i++ {
		s.wg.Add(1)
		go s.work()
	}
	s.wg.Add(1)
	go s.accept()
	return s
}

func (s *service) accept() {
	defer s.wg.Done()
	defer close(s.queue)
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(time.Duration(rand.Intn(100)) * time.Millisecond):
			s.queue <- 1
		}
	}
}

func (s *service) work() {
	defer s.wg.Done()
	for range s.queue {
		time.Sleep(time.Duration(100+rand.Intn(900)) * time.Millisecond)
	}
}

func main() {
	go func() {
		for {
			s := startService()
			time.Sleep(11 * time.Second)
			s.cancel()
			s.wg.Wait()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
