// A dashboard merges the feeds of three sensors while it is shown. When it is closed the sensors stop to measure, but do not close their
// channels: forwarders and view wait on.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type reading struct {
	sensor int
	value  float64
}

func measure(sensor int, shown time.Duration) <-chan reading {
	out := make(chan reading)
	go func() {
		end := time.Now().Add(shown)
		for time.Now().Before(end) {
			out <- reading{sensor, rand.Float64()}
			time.Sleep(time.Duration(20+rand.Intn(60)) * time.Millisecond)
		}
	}()
	return out
}

func merge(feeds ...<-chan reading) <-chan reading {
	out := make(chan reading)
	for _, feed := range feeds {
		feed := feed
		go func() { // LEAK: forward
			for r := range feed { // WAITS: forward
				out <- r
			}
		}()
	}
	return out
}

func view(readings <-chan reading) {
	total := 0.0
	for r := range readings { // WAITS: view
		total += r.value
	}
}

func main() {
	go func() {
		for {
			shown := time.Duration(300+rand.Intn(2000)) * time.Millisecond
			go view(merge(measure(1, shown), measure(2, shown), measure(3, shown))) // LEAK: view
			time.Sleep(time.Duration(1000+rand.Intn(1200)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
