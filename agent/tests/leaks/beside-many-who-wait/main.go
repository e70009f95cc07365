// A collector of results has returned early, beside sessions that all wait for the end of the server, and a janitor who sleeps and knows of
// that end, too: he leads to what a thousand wait for, and they to all that they hold.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

type page struct {
	words [8]int
	next  *page
}

type session struct {
	name  string
	cache [256]*page
	jobs  chan string
}

var sessions []*session

func newSession(i int) *session {
	s := &session{name: fmt.Sprint("session ", i), jobs: make(chan string)}
	for at := range s.cache {
		s.cache[at] = &page{next: &page{}}
	}
	return s
}

func (s *session) serve(ctx context.Context) {
	for {
		select {
		case job := <-s.jobs:
			s.name = job
		case <-ctx.Done():
			return
		}
	}
}

func janitor(ctx context.Context) {
	for ctx.Err() == nil {
		time.Sleep(7 * time.Second)
	}
}

var results = make(chan string)

func collect() {
	for range results {
		if time.Now().Unix()%1000 >= 0 {
			return
		}
	}
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := 0; i < 1000; i++ {
		sessions = append(sessions, newSession(i))
		go sessions[i].serve(ctx)
	}
	go janitor(ctx)
	go collect()
	go func() {
		for i := 0; ; i++ {
			go func() { // LEAK: sender
				results <- "done" // WAITS: sender
			}()
			time.Sleep(200 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Fprintln(os.Stderr, len(sessions))
}
