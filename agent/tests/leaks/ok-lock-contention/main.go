// Fifty goroutines contend for one lock that each holds for twenty milliseconds, and requests come on top of them.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type ledger struct {
	mu      sync.Mutex
	entries int
}

func (l *ledger) append() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries++
	time.Sleep(20 * time.Millisecond)
}

func main() {
	l := &ledger{}
	for i := 0; i < 50; i++ {
		go func() {
			for {
				l.append()
				time.Sleep(time.Duration(1000+rand.Intn(2000)) * time.Millisecond)
			}
		}()
	}
	go func() {
		for {
			go l.append()
			time.Sleep(time.Duration(50+rand.Intn(250)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
