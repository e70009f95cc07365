// Group commit: writers wait on a sync.Cond until the next flush, every 18 s or at 400 writers (snapshot of a slow object store).
package main

import (
	"math/rand"
	"sync"
	"time"
)

type wal struct {
	mu    sync.Mutex
	cond  *sync.Cond
	epoch int
	n     int
}

func (w *wal) append() {
	w.mu.Lock()
	e := w.epoch
	w.n++
	for w.epoch == e {
		w.cond.Wait()
	}
	w.mu.Unlock()
}

func (w *wal) flusher() {
	for {
		time.Sleep(18 * time.Second)
		w.mu.Lock()
		w.epoch++
		w.n = 0
		w.mu.Unlock()
		w.cond.Broadcast()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	w := &wal{}
	w.cond = sync.NewCond(&w.mu)
	go w.flusher()
	for {
		go w.append()
		time.Sleep(time.Duration(40+rand.Intn(120)) * time.Millisecond)
	}
}
