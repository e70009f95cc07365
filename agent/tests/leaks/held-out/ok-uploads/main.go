// Uploads in chunks with pauses; each has an idle timer that is set again with each chunk, and a watchdog that waits for the end.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type upload struct {
	chunks chan int
	size   int
}

func (u *upload) receive(ctx context.Context, cancel context.CancelFunc) {
	idle := time.AfterFunc(8*time.Second, cancel)
	defer idle.Stop()
	defer cancel()
	for {
		select {
		case chunk, ok := <-u.chunks:
			if !ok {
				return
			}
			u.size += chunk
			idle.Reset(8 * time.Second)
		case <-ctx.Done():
			return
		}
	}
}

func watchdog(ctx context.Context, log chan<- string) {
	<-ctx.Done()
	select {
	case log <- "ended":
	default:
	}
}

func main() {
	log := make(chan string, 16)
	base, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		for {
			ctx, cancel := context.WithCancel(base)
			u := &upload{chunks: make(chan int)}
			go u.receive(ctx, cancel)
			go watchdog(ctx, log)
			go func() {
				for i := 0; i < 3+rand.Intn(15); i++ {
					select {
					case u.chunks <- 1:
					case <-ctx.Done():
						return
					}
					time.Sleep(time.Duration(rand.Intn(2000)) * time.Millisecond)
				}
				if rand.Intn(4) > 0 {
					close(u.chunks)
				}
			}()
			time.Sleep(time.Duration(300+rand.Intn(700)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
