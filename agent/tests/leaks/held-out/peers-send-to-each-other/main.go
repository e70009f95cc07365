// Two nodes exchange messages over unbuffered channels. When both send at once, neither receives.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type node struct {
	inbox chan int
	peer  *node
	seen  int
}

func (n *node) run(rounds int) {
	for i := 0; i < rounds; i++ {
		timer := time.NewTimer(time.Duration(10+rand.Intn(20)) * time.Millisecond)
		select {
		case v := <-n.inbox:
			n.seen += v
		case <-timer.C:
			n.peer.inbox <- i // WAITS: node
		}
		timer.Stop()
	}
}

func main() {
	go func() {
		for range time.Tick(time.Second) {
			a, b := &node{inbox: make(chan int)}, &node{inbox: make(chan int)}
			a.peer, b.peer = b, a
			go a.run(10000) // LEAK: left
			go b.run(10000) // LEAK: right
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
