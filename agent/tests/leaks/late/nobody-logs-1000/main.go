// Async audit log: each request starts a goroutine that sends to a bounded channel; the sink died at start-up after its
// first error. 1000/s.
package main

import (
	"errors"
	"math/rand"
	"time"
)

type record struct {
	id int
	at time.Time
}

type audit struct{ ch chan record }

func (a *audit) sink() error {
	n := 0
	for r := range a.ch {
		n++
		_ = r
		if n == 1500 {
			return errors.New("disk full")
		}
	}
	return nil
}

func (a *audit) log(id int) {
	go func() { // LEAK: nobody-logs-1000
		a.ch <- record{id, time.Now()}
	}()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	a := &audit{make(chan record, 1024)}
	go a.sink()
	t := time.NewTicker(20 * time.Millisecond)
	id := 0
	for range t.C {
		for i := 0; i < 20; i++ {
			id++
			a.log(id)
		}
	}
}
