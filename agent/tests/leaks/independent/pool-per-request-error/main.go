// Each request makes a pool of workers and a goroutine that closes the results when all of them are done. On an invalid item the request
// returns without closing the jobs.
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

var errInvalid = errors.New("invalid item")

func process(items []int) (int, error) {
	jobs := make(chan int, len(items))
	results := make(chan int, len(items))
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() { // LEAK: worker
			defer wg.Done()
			for job := range jobs { // WAITS: worker
				time.Sleep(time.Duration(rand.Intn(8)) * time.Millisecond)
				results <- job * job
			}
		}()
	}
	go func() { // LEAK: closer
		wg.Wait() // WAITS: closer
		close(results)
	}()
	for _, item := range items {
		if item < 0 {
			return 0, errInvalid
		}
		jobs <- item
	}
	close(jobs)
	sum := 0
	for result := range results {
		sum += result
	}
	return sum, nil
}

func request(n int) {
	items := make([]int, 8)
	for i := range items {
		items[i] = rand.Intn(100)
	}
	if n%40 == 17 {
		items[5] = -1
	}
	_, _ = process(items)
}

func main() {
	go func() {
		for n := 0; ; n++ {
			go request(n)
			time.Sleep(time.Duration(20+rand.Intn(20)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
