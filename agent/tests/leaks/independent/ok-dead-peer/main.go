// A node calls its six peers in turn. One of them is dead: each call to it waits until its deadline of 20 s.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type request struct{ reply chan string }

type peer struct{ requests chan request }

func (p *peer) run() {
	for r := range p.requests {
		time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
		r.reply <- "ok"
	}
}

func (p *peer) call(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, 20*time.Second)
	defer cancel()
	r := request{make(chan string, 1)}
	select {
	case p.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.reply:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func main() {
	peers := make([]*peer, 6)
	for i := range peers {
		peers[i] = &peer{make(chan request)}
		if i != 4 {
			go peers[i].run()
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for n := 0; ; n++ {
			p := peers[n%len(peers)]
			go func() { _ = p.call(ctx) }()
			time.Sleep(time.Duration(50+rand.Intn(70)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
