// Load like a tide of twenty seconds, from nearly none to a hundred requests a second; a request takes up to two seconds.
package main

import (
	"fmt"
	"io"
	"math"
	"math/rand"
	"os"
	"sync"
	"time"
)

type limiter struct {
	mu    sync.Mutex
	count int
}

func (l *limiter) handle() {
	l.mu.Lock()
	l.count++
	l.mu.Unlock()
	answer := make(chan struct{})
	go func() {
		time.Sleep(time.Duration(rand.Intn(2000)) * time.Millisecond)
		close(answer)
	}()
	<-answer
}

func main() {
	l := &limiter{}
	go func() {
		start := time.Now()
		for {
			go l.handle()
			phase := 2 * math.Pi * time.Since(start).Seconds() / 20
			rate := 3 + 50*(1-math.Cos(phase))
			time.Sleep(time.Duration(float64(time.Second) / rate))
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
