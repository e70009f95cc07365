// Batch: a goroutine per item waits for a semaphore of 10; items come at 30/s for 50 s and are worked off at 20/s; pause 40 s.
package main

import (
	"math/rand"
	"sync"
	"time"
)

func main() {
	rand.Seed(time.Now().UnixNano())
	sem := make(chan struct{}, 10)
	for {
		var wg sync.WaitGroup
		start := time.Now()
		for time.Since(start) < 50*time.Second {
			wg.Add(1)
			go func() {
				defer wg.Done()
				sem <- struct{}{}
				defer func() { <-sem }()
				time.Sleep(time.Duration(400+rand.Intn(200)) * time.Millisecond)
			}()
			time.Sleep(33 * time.Millisecond)
		}
		wg.Wait()
		time.Sleep(10 * time.Second)
	}
}
