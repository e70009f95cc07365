// A cluster of nine elects a leader again and again, as raft does. In each term the leader has a heartbeat for each follower until it
// steps down; calls to the one node that is dead end by a timeout of 12 s.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync/atomic"
	"time"
)

type node struct {
	id   int
	rpcs chan chan bool
	dead bool
}

func (n *node) serve() {
	for reply := range n.rpcs {
		reply <- true
	}
}

func (n *node) ask(timeout time.Duration) bool {
	reply := make(chan bool, 1)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case n.rpcs <- reply:
	case <-timer.C:
		return false
	}
	return <-reply
}

func heartbeat(term context.Context, follower *node) {
	ticker := time.NewTicker(600 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-term.Done():
			return
		case <-ticker.C:
			if follower.dead {
				go follower.ask(12 * time.Second)
			} else {
				follower.ask(time.Second)
			}
		}
	}
}

func main() {
	nodes := make([]*node, 9)
	for id := range nodes {
		nodes[id] = &node{id, make(chan chan bool), id == 7}
		if !nodes[id].dead {
			go nodes[id].serve()
		}
	}
	var terms int64
	go func() {
		for leader := 0; ; leader = rand.Intn(7) {
			term, stepDown := context.WithCancel(context.Background())
			votes := make(chan bool, len(nodes))
			for _, n := range nodes {
				if n.id == leader {
					continue
				}
				n := n
				go func() { votes <- n.ask(12 * time.Second) }()
				go heartbeat(term, n)
			}
			for i := 0; i < 5; i++ {
				<-votes
			}
			atomic.AddInt64(&terms, 1)
			time.Sleep(time.Duration(2000+rand.Intn(5000)) * time.Millisecond)
			stepDown()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
