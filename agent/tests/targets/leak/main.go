// Leaks a goroutine every 50 ms: each waits on a channel that nobody else has. Ends with its input.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func leak() {
	done := make(chan int)
	go func() { <-done }()
}

func main() {
	fmt.Println("ready", os.Getpid())
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			leak()
		}
	}()
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
}
