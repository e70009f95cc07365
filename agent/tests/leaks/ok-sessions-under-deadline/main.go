// Each session has a deadline of ten minutes. What waits does not wait for it directly: a pump has a context derived from it twice,
// and a reaper waits for the pump.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

type key struct{}

type session struct {
	ctx    context.Context
	cancel func()
	wg     sync.WaitGroup
	out    chan int
	sum    int
}

var sessions []*session

func (s *session) pump() {
	defer s.wg.Done()
	ctx, cancel := context.WithCancel(context.WithValue(s.ctx, key{}, 1))
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-s.out:
			s.sum += v
		}
	}
}

func (s *session) reap() {
	s.wg.Wait()
	s.cancel()
}

func main() {
	go func() {
		for {
			s := &session{out: make(chan int)}
			s.ctx, s.cancel = context.WithTimeout(context.Background(), 10*time.Minute)
			s.wg.Add(1)
			go s.pump()
			go s.reap()
			sessions = append(sessions, s)
			time.Sleep(600 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
