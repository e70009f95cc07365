// A rate limiter reserves a time for each request, which sleeps until then. For 15 s more is asked than the rate, then less.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type limiter struct {
	mu    sync.Mutex
	every time.Duration
	next  time.Time
}

func (l *limiter) reserve() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	wait := l.next.Sub(now)
	l.next = l.next.Add(l.every)
	return wait
}

func (l *limiter) wait() {
	time.Sleep(l.reserve())
}

func main() {
	l := &limiter{every: 200 * time.Millisecond}
	start := time.Now()
	go func() {
		for {
			go func() {
				l.wait()
				time.Sleep(time.Duration(rand.Intn(50)) * time.Millisecond)
			}()
			if time.Since(start)/(15*time.Second)%2 == 0 {
				time.Sleep(time.Duration(100+rand.Intn(80)) * time.Millisecond)
			} else {
				time.Sleep(time.Duration(500+rand.Intn(400)) * time.Millisecond)
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
