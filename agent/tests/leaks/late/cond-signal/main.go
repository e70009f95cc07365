// Job futures built on sync.Cond: a cancelled job removes itself from the table, but its waiters are not broadcast to.
package main

import (
	"errors"
	"math/rand"
	"sync"
	"time"
)

type future struct {
	mu   sync.Mutex
	cond *sync.Cond
	done bool
	err  error
	val  int
}

func newFuture() *future {
	f := &future{}
	f.cond = sync.NewCond(&f.mu)
	return f
}

func (f *future) get() (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.done {
		f.cond.Wait()
	}
	return f.val, f.err
}

func (f *future) complete(v int) {
	f.mu.Lock()
	f.val, f.done = v, true
	f.mu.Unlock()
	f.cond.Broadcast()
}

func (f *future) cancel() {
	f.mu.Lock()
	if !f.done {
		f.err = errors.New("cancelled")
	}
	f.mu.Unlock()
}

type jobs struct {
	mu sync.Mutex
	m  map[int]*future
}

func (j *jobs) run(id int) {
	j.mu.Lock()
	f := j.m[id]
	j.mu.Unlock()
	time.Sleep(time.Duration(50+rand.Intn(600)) * time.Millisecond)
	if rand.Intn(12) == 0 {
		f.cancel()
	} else {
		f.complete(id)
	}
	j.mu.Lock()
	delete(j.m, id)
	j.mu.Unlock()
}

func notify(f *future) { _, _ = f.get() }

func main() {
	rand.Seed(time.Now().UnixNano())
	j := &jobs{m: map[int]*future{}}
	for id := 0; ; id++ {
		f := newFuture()
		j.mu.Lock()
		j.m[id] = f
		j.mu.Unlock()
		go j.run(id)
		go notify(f) // LEAK: cond-signal
		time.Sleep(time.Duration(60+rand.Intn(120)) * time.Millisecond)
	}
}
