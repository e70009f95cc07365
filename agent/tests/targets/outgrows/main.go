// Leaks twenty goroutines a second, each with half a megabyte, until it is killed.
package main

import (
	"bytes"
	"fmt"
	"os"
	"time"
)

func leak() {
	done, held := make(chan int), bytes.Repeat([]byte{1}, 1<<19)
	go func() {
		<-done
		_, _ = os.Stdout.Write(held)
	}()
}

func main() {
	fmt.Println("ready", os.Getpid())
	for range time.Tick(50 * time.Millisecond) {
		leak()
	}
}
