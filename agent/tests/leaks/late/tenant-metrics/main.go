// Multi-tenant ingest: per-session reporter with a ticker; Close() stops the ticker's use but not the goroutine.
package main

import (
	"math/rand"
	"sync"
	"sync/atomic"
	"time"
)

type session struct {
	id     int
	bytes  int64
	flush  func(id int, n int64)
	ticker *time.Ticker
}

func newSession(id int, flush func(int, int64)) *session {
	s := &session{id: id, flush: flush, ticker: time.NewTicker(4 * time.Second)}
	go s.report() // LEAK: tenant-metrics
	return s
}

func (s *session) report() {
	for range s.ticker.C {
		s.flush(s.id, atomic.SwapInt64(&s.bytes, 0))
	}
}

func (s *session) write(n int) { atomic.AddInt64(&s.bytes, int64(n)) }

type ingest struct {
	mu    sync.Mutex
	total int64
	live  map[int]*session
}

func (in *ingest) flush(id int, n int64) {
	in.mu.Lock()
	in.total += n
	in.mu.Unlock()
}

func (in *ingest) handle(id int) {
	s := newSession(id, in.flush)
	in.mu.Lock()
	in.live[id] = s
	in.mu.Unlock()
	for i := 0; i < 20; i++ {
		s.write(rand.Intn(4096))
		time.Sleep(time.Duration(50+rand.Intn(200)) * time.Millisecond)
	}
	in.mu.Lock()
	delete(in.live, id)
	in.mu.Unlock()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	in := &ingest{live: map[int]*session{}}
	for id := 0; ; id++ {
		go in.handle(id)
		time.Sleep(time.Duration(500+rand.Intn(1000)) * time.Millisecond)
	}
}
