// Many ask for the same few keys, one loads each for up to four seconds, the others wait for that load.
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

func (g *group) do(key int) int {
	g.mu.Lock()
	if f, ok := g.flights[key]; ok {
		g.mu.Unlock()
		f.wg.Wait()
		return f.value
	}
	f := &flight{}
	f.wg.Add(1)
	g.flights[key] = f
	g.mu.Unlock()
	time.Sleep(time.Duration(500+rand.Intn(3500)) * time.Millisecond)
	f.value = key
	g.mu.Lock()
	delete(g.flights, key)
	g.mu.Unlock()
	f.wg.Done()
	return f.value
}

func main() {
	g := &group{flights: map[int]*flight{}}
	go func() {
		for {
			go g.do(rand.Intn(5))
			time.Sleep(time.Duration(20+rand.Intn(80)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
