// Session table: a goroutine per session ends after 75 s of idleness (timer reset on activity) or at logout. 2 new sessions per second.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type session struct {
	id     int
	touch  chan struct{}
	logout chan struct{}
}

type table struct {
	mu sync.Mutex
	m  map[int]*session
}

func (t *table) run(s *session) {
	defer func() {
		t.mu.Lock()
		delete(t.m, s.id)
		t.mu.Unlock()
	}()
	idle := time.NewTimer(75 * time.Second)
	defer idle.Stop()
	for {
		select {
		case <-s.touch:
			if !idle.Stop() {
				select {
				case <-idle.C:
				default:
				}
			}
			idle.Reset(75 * time.Second)
		case <-s.logout:
			return
		case <-idle.C:
			return
		}
	}
}

func (t *table) login(id int) *session {
	s := &session{id: id, touch: make(chan struct{}), logout: make(chan struct{})}
	t.mu.Lock()
	t.m[id] = s
	t.mu.Unlock()
	go t.run(s)
	return s
}

func main() {
	rand.Seed(time.Now().UnixNano())
	t := &table{m: map[int]*session{}}
	for id := 0; ; id++ {
		s := t.login(id)
		go func() {
			for i := 0; i < rand.Intn(6); i++ {
				time.Sleep(time.Duration(500+rand.Intn(4000)) * time.Millisecond)
				s.touch <- struct{}{}
			}
			if rand.Intn(5) == 0 {
				close(s.logout)
			}
		}()
		time.Sleep(time.Duration(300+rand.Intn(400)) * time.Millisecond)
	}
}
