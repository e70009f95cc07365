// A watcher takes its cancellation from a context that has none and its events from a field that nobody has set: both channels of
// its select are nil, and nothing ends it.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type watcher struct {
	events chan string
	seen   int
}

func (w *watcher) watch(ctx context.Context) {
	for {
		select { // WAITS: watcher
		case <-ctx.Done():
			return
		case <-w.events:
			w.seen++
		}
	}
}

func serve(ctx context.Context, events chan string) {
	w := &watcher{events: events}
	go w.watch(ctx) // LEAK: watcher
}

func main() {
	go func() {
		for i := 0; ; i++ {
			ctx, cancel := context.WithCancel(context.Background())
			if i%2 == 0 {
				serve(context.Background(), nil)
			} else {
				serve(ctx, make(chan string))
			}
			time.Sleep(time.Duration(200+rand.Intn(200)) * time.Millisecond)
			cancel()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
