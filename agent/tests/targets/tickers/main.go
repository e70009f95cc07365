// Makes tickers. "forget": nobody stops them, nor keeps them. "stop": the same, stopped when they have been used.
package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// poll asks once more after a while.
func poll(stop bool) {
	ticker := time.NewTicker(30 * time.Millisecond) // TICKER
	<-ticker.C
	if stop {
		ticker.Stop()
	}
}

// report uses its tickers as long as it runs: nobody can stop the first, and need not.
func report() {
	tick := time.Tick(70 * time.Millisecond)
	ticker := time.NewTicker(90 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-tick:
		case <-ticker.C:
		}
	}
}

func main() {
	go func() {
		for {
			poll(os.Args[1] == "stop")
			time.Sleep(50 * time.Millisecond)
		}
	}()
	go report()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
