// Two ways to lose the cancel function of a context: below the server's own context, which never ends, and below no context at all.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type server struct {
	base context.Context
	stop context.CancelFunc
}

type lease struct {
	id      int
	expired chan struct{}
}

// keepAlive watches a lease until the caller loses interest.
func (s *server) keepAlive(id int) *lease {
	ctx, _ := context.WithCancel(s.base)
	l := &lease{id, make(chan struct{})}
	go func() { // LEAK: child
		<-ctx.Done() // WAITS: child
		close(l.expired)
	}()
	return l
}

func subscribe(topic string) <-chan string {
	ctx, _ := context.WithCancel(context.Background())
	events := make(chan string)
	go func() { // LEAK: root
		defer close(events)
		select { // WAITS: root
		case <-ctx.Done():
		case events <- topic:
			<-ctx.Done()
		}
	}()
	return events
}

// lookup is as it should be: its context ends with the call.
func (s *server) lookup() {
	ctx, cancel := context.WithTimeout(s.base, time.Second)
	defer cancel()
	answer := make(chan int, 1)
	go func() {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(rand.Intn(30)) * time.Millisecond):
			answer <- 1
		}
	}()
	<-answer
}

func main() {
	base, stop := context.WithCancel(context.Background())
	s := &server{base, stop}
	defer s.stop()
	go func() {
		for i := 0; ; i++ {
			_ = s.keepAlive(i)
			time.Sleep(time.Duration(500+rand.Intn(900)) * time.Millisecond)
		}
	}()
	go func() {
		for range time.Tick(1300 * time.Millisecond) {
			_ = subscribe("orders")
		}
	}()
	go func() {
		for range time.Tick(40 * time.Millisecond) {
			s.lookup()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
