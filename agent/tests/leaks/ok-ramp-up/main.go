// The rate of requests rises all the time, and with it the number that wait for their answer at any moment.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type backend struct{ queries chan chan int }

func (b *backend) run() {
	for q := range b.queries {
		q := q
		time.AfterFunc(time.Duration(200+rand.Intn(1800))*time.Millisecond, func() { q <- 1 })
	}
}

func (b *backend) ask() int {
	q := make(chan int, 1)
	b.queries <- q
	return <-q
}

func main() {
	b := &backend{make(chan chan int)}
	go b.run()
	go func() {
		start := time.Now()
		for {
			go b.ask()
			rate := 4 + 2*time.Since(start).Seconds()
			if rate > 200 {
				rate = 200
			}
			time.Sleep(time.Duration(float64(time.Second) / rate))
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
