// A session ends when its user has said nothing for 10 s. Users come twice a second and speak now and then for a while.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type session struct {
	id    int
	lines chan string
	gone  chan struct{}
}

type sessions struct {
	mu   sync.Mutex
	open map[int]*session
}

func (s *sessions) run(one *session) {
	defer func() {
		close(one.gone)
		s.mu.Lock()
		delete(s.open, one.id)
		s.mu.Unlock()
	}()
	const idle = 10 * time.Second
	timer := time.NewTimer(idle)
	defer timer.Stop()
	said := 0
	for {
		select {
		case line := <-one.lines:
			said += len(line)
			if !timer.Stop() {
				select {
				case <-timer.C:
				default:
				}
			}
			timer.Reset(idle)
		case <-timer.C:
			return
		}
	}
}

func user(one *session) {
	until := time.Now().Add(time.Duration(rand.Intn(14)) * time.Second)
	for time.Now().Before(until) {
		select {
		case one.lines <- "hello":
		case <-one.gone:
			return
		}
		time.Sleep(time.Duration(500+rand.Intn(3000)) * time.Millisecond)
	}
}

func main() {
	s := &sessions{open: map[int]*session{}}
	go func() {
		for id := 0; ; id++ {
			one := &session{id, make(chan string), make(chan struct{})}
			s.mu.Lock()
			s.open[id] = one
			s.mu.Unlock()
			go s.run(one)
			go user(one)
			time.Sleep(time.Duration(300+rand.Intn(400)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
