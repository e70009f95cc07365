// Actors end after 35 s of idleness (the system sends a stop message, blocking); 4 new ones per second.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type actor struct {
	mbox chan int
	last time.Time
}

func (a *actor) loop() {
	for m := range a.mbox {
		time.Sleep(time.Duration(m) * time.Millisecond)
	}
}

type system struct {
	mu sync.Mutex
	m  map[int]*actor
}

func (s *system) tell(id, v int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.m[id]
	if a == nil {
		a = &actor{mbox: make(chan int, 16)}
		s.m[id] = a
		go a.loop()
	}
	a.last = time.Now()
	select {
	case a.mbox <- v:
	default:
	}
}

func (s *system) reap() {
	for {
		time.Sleep(10 * time.Second)
		s.mu.Lock()
		for id, a := range s.m {
			if time.Since(a.last) > 35*time.Second {
				close(a.mbox)
				delete(s.m, id)
			}
		}
		s.mu.Unlock()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	s := &system{m: map[int]*actor{}}
	go s.reap()
	next := 0
	for {
		if rand.Intn(3) == 0 {
			next++
		}
		id := next - rand.Intn(10)
		s.tell(id, rand.Intn(10))
		time.Sleep(time.Duration(50+rand.Intn(60)) * time.Millisecond)
	}
}
