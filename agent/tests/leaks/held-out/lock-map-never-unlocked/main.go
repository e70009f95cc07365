// Locks by key: whoever finds the key taken waits for its channel to be closed. An owner that fails forgets to close it, and the
// entry stays in the global map.
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

type locks struct {
	mu    sync.Mutex
	taken map[string]chan struct{}
}

var objects = &locks{taken: map[string]chan struct{}{}}

func (l *locks) lock(key string) chan struct{} {
	for {
		l.mu.Lock()
		held, ok := l.taken[key]
		if !ok {
			mine := make(chan struct{})
			l.taken[key] = mine
			l.mu.Unlock()
			return mine
		}
		l.mu.Unlock()
		<-held // WAITS: reconcile
	}
}

func (l *locks) unlock(key string, mine chan struct{}) {
	l.mu.Lock()
	delete(l.taken, key)
	l.mu.Unlock()
	close(mine)
}

func reconcile(key string) error {
	mine := objects.lock(key)
	time.Sleep(time.Duration(rand.Intn(30)) * time.Millisecond)
	if rand.Intn(40) == 0 {
		return errors.New("conflict")
	}
	objects.unlock(key, mine)
	return nil
}

func main() {
	go func() {
		for {
			key := fmt.Sprintf("object-%d", rand.Intn(40))
			go func() { // LEAK: reconcile
				_ = reconcile(key)
			}()
			time.Sleep(time.Duration(30+rand.Intn(90)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
