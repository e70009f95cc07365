// Parts of a job run in goroutines that recover from panics, but Done is not deferred. Who waits for all parts with a timeout leaves the
// goroutine with the Wait behind, one time in a hundred.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

func part(wg *sync.WaitGroup) {
	defer func() { _ = recover() }()
	time.Sleep(time.Duration(rand.Intn(40)) * time.Millisecond)
	if rand.Intn(300) == 0 {
		var missing map[string]int
		missing["row"] = 1
	}
	wg.Done()
}

func job() bool {
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go part(&wg)
	}
	all := make(chan struct{})
	go func() { // LEAK: wait
		defer close(all)
		wg.Wait() // WAITS: wait
	}()
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-all:
		return true
	case <-timer.C:
		return false
	}
}

func main() {
	go func() {
		for {
			go job()
			time.Sleep(20 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
