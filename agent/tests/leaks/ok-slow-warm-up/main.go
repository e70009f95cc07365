// Workers of one queue are started one every two seconds until there are twelve, to be gentle to the database behind them.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type consumer struct{ handled int }

func (c *consumer) run(queue <-chan int) {
	for item := range queue {
		c.handled += item
		time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
	}
}

func main() {
	queue := make(chan int, 100)
	go func() {
		for i := 0; i < 12; i++ {
			go (&consumer{}).run(queue)
			time.Sleep(2 * time.Second)
		}
	}()
	go func() {
		for {
			queue <- 1
			time.Sleep(time.Duration(rand.Intn(300)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
