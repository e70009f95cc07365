// Client with a breaker: upstream brown-outs of 25 s each minute make calls hang until their 10 s timeout; breaker opens for 5 s.
package main

import (
	"context"
	"errors"
	"math/rand"
	"sync"
	"time"
)

type breaker struct {
	mu    sync.Mutex
	fails int
	until time.Time
}

func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().After(b.until)
}
func (b *breaker) done(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.fails = 0
		return
	}
	if b.fails++; b.fails >= 20 {
		b.fails = 0
		b.until = time.Now().Add(5 * time.Second)
	}
}

var start = time.Now()

func call(ctx context.Context) error {
	res := make(chan error, 1)
	go func() {
		if int(time.Since(start).Seconds())%60 < 25 {
			select {
			case <-time.After(time.Duration(8+rand.Intn(6)) * time.Second):
			case <-ctx.Done():
			}
			res <- errors.New("hang")
			return
		}
		time.Sleep(time.Duration(5+rand.Intn(100)) * time.Millisecond)
		res <- nil
	}()
	select {
	case e := <-res:
		return e
	case <-ctx.Done():
		return ctx.Err()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	b := &breaker{}
	for {
		if b.allow() {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				b.done(call(ctx))
			}()
		}
		time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
	}
}
