// One goroutine holds a lock and sends to an unbuffered channel; the one that would receive wants the lock first.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type status struct {
	mu      sync.Mutex
	changes chan int
	phase   int
}

func (s *status) set(phase int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phase
	s.changes <- phase // WAITS: setter
}

func (s *status) sync() {
	for i := 0; i < 3; i++ {
		time.Sleep(time.Duration(rand.Intn(4)) * time.Millisecond)
		s.mu.Lock() // WAITS: syncer
		phase := s.phase
		s.mu.Unlock()
		if phase < 3 {
			<-s.changes
		}
	}
}

func main() {
	go func() {
		for range time.Tick(350 * time.Millisecond) {
			s := &status{changes: make(chan int)}
			go func() { // LEAK: setter
				for phase := 1; phase <= 3; phase++ {
					time.Sleep(time.Duration(rand.Intn(5)) * time.Millisecond)
					s.set(phase)
				}
			}()
			go s.sync() // LEAK: syncer
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
