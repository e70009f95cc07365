// Timer wheel: 60 timers per second with 2 to 8 s, their callbacks take up to 3 s.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type store struct {
	mu sync.Mutex
	m  map[int]int
}

func (s *store) expire(id int) {
	time.Sleep(time.Duration(50+rand.Intn(3000)) * time.Millisecond)
	s.mu.Lock()
	delete(s.m, id)
	s.mu.Unlock()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	s := &store{m: map[int]int{}}
	for id := 0; ; id++ {
		id := id
		s.mu.Lock()
		s.m[id] = id
		s.mu.Unlock()
		time.AfterFunc(time.Duration(2000+rand.Intn(6000))*time.Millisecond, func() { s.expire(id) })
		time.Sleep(17 * time.Millisecond)
	}
}
