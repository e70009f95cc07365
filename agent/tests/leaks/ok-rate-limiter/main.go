// Requests wait for a token. Tokens come at ten a second; requests come in waves that the tokens catch up with.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type limiter struct{ tokens chan struct{} }

func newLimiter(every time.Duration, burst int) *limiter {
	l := &limiter{make(chan struct{}, burst)}
	go func() {
		for range time.Tick(every) {
			select {
			case l.tokens <- struct{}{}:
			default:
			}
		}
	}()
	return l
}

func (l *limiter) wait() { <-l.tokens }

func main() {
	l := newLimiter(100*time.Millisecond, 5)
	go func() {
		for {
			for i := 0; i < 60; i++ {
				go l.wait()
				time.Sleep(time.Duration(rand.Intn(60)) * time.Millisecond)
			}
			time.Sleep(time.Duration(4+rand.Intn(6)) * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
