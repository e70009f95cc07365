// Each parent receives from a child that waits three minutes for a timer's channel and then answers: a timer two steps away.
package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

func parent() {
	done := make(chan int)
	go func() {
		<-time.After(3 * time.Minute)
		done <- 1
	}()
	<-done
}

func main() {
	go func() {
		for {
			go parent()
			time.Sleep(700 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
