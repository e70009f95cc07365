// A worker for each of at most 90 tenants, started with the tenant's first event. Events follow a Zipf law: new tenants come ever more
// rarely, and rare ones wait long between two events.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type event struct{ tenant, n int }

type worker struct {
	events chan event
	seen   int
}

func (w *worker) run() {
	for e := range w.events {
		time.Sleep(time.Duration(rand.Intn(4)) * time.Millisecond)
		w.seen += e.n
	}
}

type router struct {
	mu      sync.Mutex
	workers map[int]*worker
}

func (r *router) route(e event) {
	r.mu.Lock()
	w, found := r.workers[e.tenant]
	if !found {
		w = &worker{events: make(chan event, 32)}
		r.workers[e.tenant] = w
		go w.run()
	}
	r.mu.Unlock()
	w.events <- e
}

func main() {
	r := &router{workers: map[int]*worker{}}
	random := rand.New(rand.NewSource(time.Now().UnixNano()))
	law := rand.NewZipf(random, 1.4, 2, 89)
	go func() {
		for n := 0; ; n++ {
			r.route(event{int(law.Uint64()), n})
			time.Sleep(time.Duration(20+rand.Intn(40)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
