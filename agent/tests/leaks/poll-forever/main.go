// Waiting for a job means asking for its state until it is done. Jobs that failed are never done.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type state int

const (
	running state = iota
	done
	failed
)

type jobs struct {
	mu     sync.Mutex
	states map[int]state
}

func (j *jobs) get(id int) state {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.states[id]
}

func (j *jobs) set(id int, s state) {
	j.mu.Lock()
	j.states[id] = s
	j.mu.Unlock()
}

func (j *jobs) wait(id int) {
	for j.get(id) != done {
		time.Sleep(250 * time.Millisecond) // WAITS: waiter
	}
}

func main() {
	all := &jobs{states: map[int]state{}}
	go func() {
		for id := 0; ; id++ {
			id := id
			all.set(id, running)
			go all.wait(id) // LEAK: waiter
			time.AfterFunc(time.Duration(rand.Intn(1500))*time.Millisecond, func() {
				if rand.Intn(5) == 0 {
					all.set(id, failed)
				} else {
					all.set(id, done)
				}
			})
			time.Sleep(200 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
