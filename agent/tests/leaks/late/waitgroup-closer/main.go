// Thumbnailer: the closer goroutine waits for all workers, a worker that meets a corrupt image returns before wg.Done.
// The consumer has a timeout and leaves.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type thumb struct{ w, h int }

func render(out chan<- thumb, wg *sync.WaitGroup) {
	time.Sleep(time.Duration(10+rand.Intn(120)) * time.Millisecond)
	if rand.Intn(25) == 0 {
		return // corrupt image: Done is skipped
	}
	out <- thumb{64, 64}
	wg.Done()
}

func album(n int) int {
	out := make(chan thumb, n)
	var wg sync.WaitGroup
	for i := 0; i < n; i++ {
		wg.Add(1)
		go render(out, &wg)
	}
	go func() { // LEAK: waitgroup-closer
		wg.Wait()
		close(out)
	}()
	got := 0
	timeout := time.NewTimer(time.Second)
	defer timeout.Stop()
	for {
		select {
		case _, ok := <-out:
			if !ok {
				return got
			}
			got++
		case <-timeout.C:
			return got
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for {
		go album(6)
		time.Sleep(time.Duration(400+rand.Intn(600)) * time.Millisecond)
	}
}
