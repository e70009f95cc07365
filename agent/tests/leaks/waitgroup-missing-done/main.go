// A worker returns on an error before its wg.Done, so the goroutine that waits for all of them and closes the results never does.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

func probe(host string, wg *sync.WaitGroup, results chan<- string) {
	time.Sleep(time.Duration(rand.Intn(40)) * time.Millisecond)
	if rand.Intn(40) == 0 {
		return
	}
	results <- host + " is up"
	wg.Done()
}

func probeAll(hosts []string) int {
	var wg sync.WaitGroup
	results := make(chan string, len(hosts))
	for _, host := range hosts {
		wg.Add(1)
		go probe(host, &wg, results)
	}
	go func() { // LEAK: closer
		wg.Wait() // WAITS: closer
		close(results)
	}()
	up := 0
	deadline := time.After(80 * time.Millisecond)
	for {
		select {
		case _, ok := <-results:
			if !ok {
				return up
			}
			up++
		case <-deadline:
			return up
		}
	}
}

func main() {
	hosts := []string{"a", "b", "c", "d", "e", "f"}
	go func() {
		for range time.Tick(250 * time.Millisecond) {
			probeAll(hosts)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
