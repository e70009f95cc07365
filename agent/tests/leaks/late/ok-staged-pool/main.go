// Staged rollout: the worker pool is enlarged by 8 each 12 s from 8 up to 64, then stays.
package main

import (
	"math/rand"
	"time"
)

func worker(jobs <-chan int) {
	for range jobs {
		time.Sleep(time.Duration(20+rand.Intn(200)) * time.Millisecond)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	jobs := make(chan int)
	n := 0
	grow := func() {
		for i := 0; i < 8; i++ {
			go worker(jobs)
			n++
		}
	}
	grow()
	t := time.NewTicker(12 * time.Second)
	for {
		select {
		case <-t.C:
			if n < 64 {
				grow()
			}
		case jobs <- 1:
			time.Sleep(30 * time.Millisecond)
		}
	}
}
