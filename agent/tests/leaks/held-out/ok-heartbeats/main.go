// Nodes join a cluster over twenty seconds; each has a monitor with a ticker and an inbox. A node that says nothing is dropped and
// joins again.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type node struct {
	beats chan struct{}
	lost  chan<- int
}

func (n *node) monitor(id int) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	missed := 0
	for {
		select {
		case <-n.beats:
			missed = 0
		case <-ticker.C:
			missed++
			if missed > 3 {
				n.lost <- id
				return
			}
		}
	}
}

func beat(n *node, beats int) {
	for i := 0; i < beats; i++ {
		n.beats <- struct{}{}
		time.Sleep(time.Duration(300+rand.Intn(700)) * time.Millisecond)
	}
}

func main() {
	lost := make(chan int, 16)
	join := func(id int) {
		n := &node{make(chan struct{}), lost}
		go n.monitor(id)
		go beat(n, 5+rand.Intn(40))
	}
	go func() {
		for id := 0; id < 20; id++ {
			join(id)
			time.Sleep(time.Second)
		}
	}()
	go func() {
		for id := range lost {
			join(id)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
