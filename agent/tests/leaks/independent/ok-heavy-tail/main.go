// Requests whose duration has a heavy tail: most take 50 ms, some half a minute, none more than 40 s. Each waits for its backend, which
// answers in the end.
package main

import (
	"fmt"
	"io"
	"math"
	"math/rand"
	"os"
	"time"
)

func duration() time.Duration {
	seconds := 0.05 / math.Pow(1-rand.Float64(), 1/1.05)
	if seconds > 40 {
		seconds = 40
	}
	return time.Duration(seconds * float64(time.Second))
}

func backend(takes time.Duration, answer chan<- int) {
	time.Sleep(takes)
	answer <- int(takes)
}

func request() int {
	answer := make(chan int)
	go backend(duration(), answer)
	return <-answer
}

func main() {
	go func() {
		for {
			go request()
			time.Sleep(time.Duration(10+rand.Intn(30)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
