// Calls for the same key share one load. A load that panics is recovered by the server, its entry stays in the map, and everybody
// who asks for that key waits for it.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type flight struct {
	wg    sync.WaitGroup
	value int
}

type group struct {
	mu      sync.Mutex
	flights map[int]*flight
}

var loads = &group{flights: map[int]*flight{}}

func (g *group) do(key int, load func() int) int {
	g.mu.Lock()
	if f, ok := g.flights[key]; ok {
		g.mu.Unlock()
		f.wg.Wait() // WAITS: request
		return f.value
	}
	f := &flight{}
	f.wg.Add(1)
	g.flights[key] = f
	g.mu.Unlock()
	f.value = load()
	f.wg.Done()
	g.mu.Lock()
	delete(g.flights, key)
	g.mu.Unlock()
	return f.value
}

func load() int {
	time.Sleep(time.Duration(20+rand.Intn(80)) * time.Millisecond)
	if rand.Intn(60) == 0 {
		panic("cache is corrupt")
	}
	return 1
}

func handle() {
	defer func() { _ = recover() }()
	loads.do(rand.Intn(30), load)
}

func main() {
	go func() {
		for {
			go handle() // LEAK: request
			time.Sleep(time.Duration(20+rand.Intn(60)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
