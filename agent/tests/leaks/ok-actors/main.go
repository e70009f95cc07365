// An actor for each entity, with a mailbox: made when a message for it comes, put to rest after five idle seconds.
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
	mailbox chan int
	state   int
}

type system struct {
	mu     sync.Mutex
	actors map[int]*actor
}

func (s *system) run(id int, a *actor) {
	idle := time.NewTimer(5 * time.Second)
	defer idle.Stop()
	for {
		select {
		case v := <-a.mailbox:
			a.state += v
			idle.Reset(5 * time.Second)
		case <-idle.C:
			s.mu.Lock()
			if len(a.mailbox) == 0 {
				delete(s.actors, id)
				s.mu.Unlock()
				return
			}
			s.mu.Unlock()
			idle.Reset(time.Second)
		}
	}
}

func (s *system) send(id, v int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actors[id]
	if a == nil {
		a = &actor{mailbox: make(chan int, 64)}
		s.actors[id] = a
		go s.run(id, a)
	}
	select {
	case a.mailbox <- v:
	default:
	}
}

func main() {
	s := &system{actors: map[int]*actor{}}
	go func() {
		for {
			s.send(rand.Intn(300), 1)
			time.Sleep(time.Duration(10+rand.Intn(40)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
