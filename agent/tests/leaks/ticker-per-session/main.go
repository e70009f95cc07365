// Each session starts a loop that refreshes its token. Sessions end; the loop has no way to learn it.
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
	mu    sync.Mutex
	token int
	done  chan struct{}
}

func (s *session) refresh() {
	ticker := time.NewTicker(700 * time.Millisecond)
	for range ticker.C { // WAITS: refresh
		s.mu.Lock()
		s.token++
		s.mu.Unlock()
	}
}

func open() *session {
	s := &session{done: make(chan struct{})}
	go s.refresh() // LEAK: refresh
	return s
}

func (s *session) serve() {
	time.Sleep(time.Duration(300+rand.Intn(2000)) * time.Millisecond)
	close(s.done)
}

func main() {
	go func() {
		for {
			go open().serve()
			time.Sleep(time.Duration(400+rand.Intn(1000)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
