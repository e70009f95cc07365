// Actors: passivation tries to hand over a poison pill without blocking; a busy actor with a full mailbox never gets it,
// is removed from the registry, drains its mailbox and waits for ever.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type message interface{}
type poison struct{}

type actor struct {
	id   int
	mbox chan message
	last time.Time
}

func (a *actor) loop() {
	for m := range a.mbox {
		switch m.(type) {
		case poison:
			return
		default:
			time.Sleep(time.Duration(150+rand.Intn(200)) * time.Millisecond)
		}
	}
}

type system struct {
	mu     sync.Mutex
	actors map[int]*actor
}

func (s *system) tell(id int, m message) {
	s.mu.Lock()
	a := s.actors[id]
	if a == nil {
		a = &actor{id: id, mbox: make(chan message, 8)}
		s.actors[id] = a
		go a.loop() // LEAK: actor-passivation
	}
	a.last = time.Now()
	s.mu.Unlock()
	select {
	case a.mbox <- m:
	default: // dropped
	}
}

func (s *system) passivate() {
	for {
		time.Sleep(time.Second)
		s.mu.Lock()
		for id, a := range s.actors {
			if time.Since(a.last) > 50*time.Millisecond {
				select {
				case a.mbox <- poison{}:
				default:
				}
				delete(s.actors, id)
			}
		}
		s.mu.Unlock()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	s := &system{actors: map[int]*actor{}}
	go s.passivate()
	for {
		id := rand.Intn(10000)
		n := 1 + rand.Intn(5)
		if rand.Intn(4) == 0 {
			n = 12
		}
		for i := 0; i < n; i++ {
			s.tell(id, i)
			time.Sleep(time.Duration(rand.Intn(5)) * time.Millisecond)
		}
		time.Sleep(time.Duration(60+rand.Intn(120)) * time.Millisecond)
	}
}
