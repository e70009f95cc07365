// The consumer of a bounded audit queue dies of a recovered panic. From then on whoever writes to the queue waits.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

var audit = make(chan string, 32)

func consume() {
	defer func() { _ = recover() }()
	start := time.Now()
	for line := range audit {
		if time.Since(start) > 8*time.Second {
			panic("cannot write " + line)
		}
	}
}

func handle() {
	time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
	audit <- "handled" // WAITS: handler
}

func main() {
	go consume()
	go func() {
		for {
			go handle() // LEAK: handler
			time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
