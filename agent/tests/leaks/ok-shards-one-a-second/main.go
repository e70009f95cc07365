// Twenty-two shards with a queue each are started, one a second, and then no more. After that three of them have all the work; the
// others wait for good, which is what they are there for.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type shard struct {
	in  chan int
	sum int
}

var shards []*shard

func (s *shard) run() {
	for v := range s.in {
		s.sum += v
	}
}

func main() {
	go func() {
		for i := 0; i < 22; i++ {
			s := &shard{in: make(chan int)}
			shards = append(shards, s)
			go s.run()
			time.Sleep(time.Second)
		}
		for {
			shards[rand.Intn(3)].in <- 1
			time.Sleep(100 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
