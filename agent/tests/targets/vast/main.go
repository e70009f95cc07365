// Leaks as `leak` does, beside a heap of which more can hold pointers than a proof reads: it is never touched, and takes no memory.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"time"
)

var vast [17][]*int

func leak() {
	done := make(chan int)
	go func() { <-done }()
}

func main() {
	// The collector would read all of it.
	debug.SetGCPercent(-1)
	for i := range vast {
		vast[i] = make([]*int, 1<<30/8)
	}
	fmt.Println("ready", os.Getpid())
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			leak()
		}
	}()
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
}
