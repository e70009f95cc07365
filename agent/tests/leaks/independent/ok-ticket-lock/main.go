// A fair lock that hands itself to the next waiter in the queue. For 16 s more come than it can serve, then fewer for 16 s.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type fair struct {
	mu    sync.Mutex
	held  bool
	queue []chan struct{}
}

func (f *fair) lock() {
	f.mu.Lock()
	if !f.held {
		f.held = true
		f.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	f.queue = append(f.queue, turn)
	f.mu.Unlock()
	<-turn
}

func (f *fair) unlock() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		f.held = false
		return
	}
	close(f.queue[0])
	f.queue = f.queue[1:]
}

func main() {
	var device fair
	start := time.Now()
	go func() {
		for {
			go func() {
				device.lock()
				time.Sleep(time.Duration(70+rand.Intn(60)) * time.Millisecond)
				device.unlock()
			}()
			if time.Since(start)/(16*time.Second)%2 == 0 {
				time.Sleep(time.Duration(60+rand.Intn(30)) * time.Millisecond)
			} else {
				time.Sleep(time.Duration(250+rand.Intn(100)) * time.Millisecond)
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
