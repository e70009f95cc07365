// Producers wait at a full queue while the sink is away for six seconds, then it catches up; this comes again and again.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type sink struct{ queue chan int }

func (s *sink) drain() {
	for {
		start := time.Now()
		for time.Since(start) < 9*time.Second {
			select {
			case <-s.queue:
				time.Sleep(2 * time.Millisecond)
			case <-time.After(time.Second):
			}
		}
		time.Sleep(6 * time.Second)
	}
}

func (s *sink) produce(v int) { s.queue <- v }

func main() {
	s := &sink{make(chan int, 32)}
	go s.drain()
	go func() {
		for i := 0; ; i++ {
			go s.produce(i)
			time.Sleep(time.Duration(20+rand.Intn(60)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
