// A method that holds the lock calls one that takes it, on one branch that is rarely run.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type txn struct {
	mu    sync.Mutex
	state int
	log   []int
}

func (t *txn) rollback() {
	t.mu.Lock() // WAITS: txn
	defer t.mu.Unlock()
	t.state = 0
}

func (t *txn) commit(conflict bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if conflict {
		t.rollback()
		return
	}
	t.log = append(t.log, t.state)
	t.state++
}

func main() {
	go func() {
		for range time.Tick(60 * time.Millisecond) {
			t := &txn{}
			conflict := rand.Intn(12) == 0
			go t.commit(conflict) // LEAK: txn
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
