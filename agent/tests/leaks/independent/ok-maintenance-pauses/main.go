// Writes are held at a gate while there is maintenance, 13 s of each 18. Then the gate opens for all of them.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type gate struct {
	mu   sync.Mutex
	open chan struct{}
}

func (g *gate) pass() {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	<-open
}

func (g *gate) pause(long time.Duration) {
	g.mu.Lock()
	g.open = make(chan struct{})
	g.mu.Unlock()
	time.Sleep(long)
	close(g.open)
}

func write(g *gate) {
	g.pass()
	time.Sleep(time.Duration(5+rand.Intn(50)) * time.Millisecond)
}

func main() {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	go func() {
		for {
			time.Sleep(5 * time.Second)
			g.pause(13 * time.Second)
		}
	}()
	go func() {
		for {
			go write(g)
			time.Sleep(time.Duration(200+rand.Intn(300)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
