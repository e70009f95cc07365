// A framework has a context of its own type. To derive from it the context package starts a goroutine, which ends when the parent or
// the child does. Requests for streams end neither.
// LEAK-FUNCTION: derived context.propagateCancel
// LEAK-FUNCTION: derived context.(*cancelCtx).propagateCancel
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type requestContext struct {
	context.Context
	done chan struct{}
	path string
}

func (c *requestContext) Done() <-chan struct{} { return c.done }

func (c *requestContext) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

type stream struct {
	ctx  context.Context
	stop context.CancelFunc
}

func (c *requestContext) page() {
	ctx, cancel := context.WithTimeout(c, 2*time.Second)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(10+rand.Intn(200)) * time.Millisecond):
	}
	close(c.done)
}

func (c *requestContext) stream() *stream {
	ctx, cancel := context.WithCancel(c)
	s := &stream{ctx, cancel}
	time.Sleep(time.Duration(10+rand.Intn(100)) * time.Millisecond)
	return s
}

func main() {
	go func() {
		for n := 0; ; n++ {
			c := &requestContext{context.Background(), make(chan struct{}), fmt.Sprint("/", n)}
			if n%6 == 0 {
				go c.stream()
			} else {
				go c.page()
			}
			time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
