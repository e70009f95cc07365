// A reader takes a read lock, and a function that it calls takes it again. When a writer comes in between, all three wait for ever.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type store struct {
	mu   sync.RWMutex
	keys map[string]int
}

func (s *store) get(key string) int {
	s.mu.RLock() // WAITS: reader
	defer s.mu.RUnlock()
	return s.keys[key]
}

func (s *store) sum(keys []string) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	total := 0
	for _, key := range keys {
		time.Sleep(time.Millisecond)
		total += s.get(key)
	}
	return total
}

func (s *store) put(key string, value int) {
	s.mu.Lock() // WAITS: writer
	defer s.mu.Unlock()
	s.keys[key] = value
}

// session works on a store of its own, as one per tenant and request would be.
func session() {
	s := &store{keys: map[string]int{"a": 1, "b": 2, "c": 3}}
	go func() { // LEAK: reader
		s.sum([]string{"a", "b", "c"})
	}()
	time.Sleep(time.Duration(rand.Intn(8)) * time.Millisecond)
	go func() { // LEAK: writer
		s.put("a", 2)
	}()
}

func main() {
	go func() {
		for range time.Tick(400 * time.Millisecond) {
			session()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
