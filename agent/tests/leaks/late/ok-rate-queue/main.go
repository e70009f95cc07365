// Outbound rate limit of 10/s with waiting; demand 15/s for 40 s, then 3/s for 40 s.
package main

import (
	"math/rand"
	"time"
)

type limiter struct{ t chan time.Time }

func newLimiter(per time.Duration) *limiter {
	l := &limiter{make(chan time.Time)}
	go func() {
		tk := time.NewTicker(per)
		for x := range tk.C {
			l.t <- x
		}
	}()
	return l
}
func (l *limiter) wait() { <-l.t }

func main() {
	rand.Seed(time.Now().UnixNano())
	l := newLimiter(100 * time.Millisecond)
	start := time.Now()
	for {
		go func() {
			l.wait()
			time.Sleep(time.Duration(20+rand.Intn(200)) * time.Millisecond)
		}()
		if int(time.Since(start).Seconds())%80 < 40 {
			time.Sleep(66 * time.Millisecond)
		} else {
			time.Sleep(330 * time.Millisecond)
		}
	}
}
