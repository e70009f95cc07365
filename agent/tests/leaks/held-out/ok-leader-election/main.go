// Five candidates: one leads and renews, the others wait for the lease; every nine seconds the leader steps down, and its term's
// goroutines end with it.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type lease struct{ token chan struct{} }

func lead(ctx context.Context, wg *sync.WaitGroup) {
	for i := 0; i < 6; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-ctx.Done():
					return
				case <-time.After(time.Duration(200+rand.Intn(400)) * time.Millisecond):
				}
			}
		}()
	}
	wg.Add(1)
	go func() {
		defer wg.Done()
		<-ctx.Done()
	}()
}

func candidate(l *lease) {
	for {
		<-l.token
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		lead(ctx, &wg)
		time.Sleep(9 * time.Second)
		cancel()
		wg.Wait()
		l.token <- struct{}{}
		time.Sleep(100 * time.Millisecond)
	}
}

func main() {
	l := &lease{make(chan struct{}, 1)}
	l.token <- struct{}{}
	for i := 0; i < 5; i++ {
		go candidate(l)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
