// A group of at most two goroutines, as errgroup with SetLimit is one. A task of a deep tree starts its children in the same group:
// when both places are taken by parents, nobody ever goes on, nor does the request that waits.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type group struct {
	places chan struct{}
	wg     sync.WaitGroup
}

func (g *group) start(task func()) {
	g.places <- struct{}{} // WAITS: task
	g.wg.Add(1)
	go func() { // LEAK: task
		defer func() {
			<-g.places
			g.wg.Done()
		}()
		task()
	}()
}

func visit(g *group, depth int) {
	time.Sleep(time.Duration(5+rand.Intn(10)) * time.Millisecond)
	if depth == 0 {
		return
	}
	g.start(func() { visit(g, depth-1) })
}

func request(depth int) {
	g := &group{places: make(chan struct{}, 2)}
	g.start(func() { visit(g, depth) })
	g.start(func() { visit(g, depth) })
	g.wg.Wait() // WAITS: request
}

func main() {
	go func() {
		for n := 0; ; n++ {
			depth := 0
			if n%10 == 9 {
				depth = 1
			}
			go request(depth) // LEAK: request
			time.Sleep(time.Duration(60+rand.Intn(80)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
