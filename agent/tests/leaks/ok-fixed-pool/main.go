// Sixteen workers behind one queue, idle for long stretches between small batches.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type job struct {
	id     int
	result chan<- int
}

func worker(jobs <-chan job) {
	for j := range jobs {
		time.Sleep(time.Duration(rand.Intn(100)) * time.Millisecond)
		j.result <- j.id
	}
}

func main() {
	jobs := make(chan job)
	for i := 0; i < 16; i++ {
		go worker(jobs)
	}
	go func() {
		for {
			result := make(chan int, 5)
			for i := 0; i < 5; i++ {
				jobs <- job{i, result}
			}
			for i := 0; i < 5; i++ {
				<-result
			}
			time.Sleep(time.Duration(1+rand.Intn(9)) * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
