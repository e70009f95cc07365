// A controller starts: forty informers in the first seconds, twenty more when the lease has come after half a minute, a few stragglers.
// Each has a goroutine that waits for a context which is never done, and a processor that waits for what it is told. Then there are no more.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type informer struct{ in chan int }

var informers []*informer

func (i *informer) processor() {
	for range i.in {
	}
}

func start(ctx context.Context) {
	i := &informer{make(chan int)}
	informers = append(informers, i)
	go func() { <-ctx.Done() }()
	go i.processor()
	time.Sleep(time.Duration(rand.Intn(300)) * time.Millisecond)
}

func main() {
	go func() {
		for i := 0; i < 40; i++ {
			start(context.Background())
		}
		time.Sleep(30 * time.Second)
		for i := 0; i < 20; i++ {
			start(context.Background())
		}
		for i := 0; i < 5; i++ {
			time.Sleep(time.Duration(rand.Intn(6000)) * time.Millisecond)
			start(context.Background())
		}
		for {
			informers[rand.Intn(5)].in <- 1
			time.Sleep(100 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
