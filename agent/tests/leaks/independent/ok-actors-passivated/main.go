// Actors for 60 accounts, started by their first message and passivated after 7 s without one. A message to a passivated actor starts it
// again.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type actor struct {
	id      int
	mailbox chan int
}

type system struct {
	mu     sync.Mutex
	actors map[int]*actor
	totals [60]int
}

func (s *system) tell(id, amount int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, found := s.actors[id]
	if !found {
		a = &actor{id, make(chan int, 128)}
		s.actors[id] = a
		go s.run(a)
	}
	select {
	case a.mailbox <- amount:
	default:
	}
}

func (s *system) run(a *actor) {
	for {
		idle := time.NewTimer(7 * time.Second)
		select {
		case amount := <-a.mailbox:
			idle.Stop()
			s.totals[a.id] += amount
		case <-idle.C:
			s.mu.Lock()
			if len(a.mailbox) == 0 {
				delete(s.actors, a.id)
				s.mu.Unlock()
				return
			}
			s.mu.Unlock()
		}
	}
}

func main() {
	s := &system{actors: map[int]*actor{}}
	go func() {
		for {
			// The popular third gets half of the messages.
			id := rand.Intn(60)
			if rand.Intn(2) == 0 {
				id = rand.Intn(20)
			}
			s.tell(id, rand.Intn(100))
			time.Sleep(time.Duration(50+rand.Intn(150)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
