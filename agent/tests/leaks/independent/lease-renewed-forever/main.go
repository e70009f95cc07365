// A job holds a lease that a goroutine renews by a timer until the lease is released. A job that fails returns before the release.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type lease struct {
	mu       sync.Mutex
	name     string
	expires  time.Time
	released chan struct{}
}

func acquire(name string) *lease {
	l := &lease{name: name, expires: time.Now().Add(time.Second), released: make(chan struct{})}
	go l.renew() // LEAK: renew
	return l
}

func (l *lease) renew() {
	timer := time.NewTimer(400 * time.Millisecond)
	defer timer.Stop()
	for {
		select { // WAITS: renew
		case <-timer.C:
			l.mu.Lock()
			l.expires = time.Now().Add(time.Second)
			l.mu.Unlock()
			timer.Reset(400 * time.Millisecond)
		case <-l.released:
			return
		}
	}
}

var errInput = errors.New("bad input")

func job(n int) error {
	l := acquire(fmt.Sprint("job-", n))
	time.Sleep(time.Duration(50+rand.Intn(900)) * time.Millisecond)
	if rand.Intn(4) == 0 {
		return errInput
	}
	close(l.released)
	return nil
}

func main() {
	go func() {
		failed := make(chan error, 16)
		go func() {
			for range failed {
			}
		}()
		for n := 0; ; n++ {
			n := n
			go func() {
				if err := job(n); err != nil {
					failed <- err
				}
			}()
			time.Sleep(time.Duration(150+rand.Intn(200)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
