// LEAK-FUNCTION: call context.(*cancelCtx).propagateCancel
// LEAK-FUNCTION: call context.propagateCancel
// RPC middleware wraps the context in its own Context type with its own Done channel (request baggage);
// context.WithCancel below it then needs a goroutine per call: created by context's
// propagateCancel (culprit: library go statement in context.go). cancel is lost on the fast path.
package main

import (
	"context"
	"math/rand"
	"sync/atomic"
	"time"
)

type baggageCtx struct {
	context.Context
	done chan struct{}
	tags map[string]string
}

func (b *baggageCtx) Done() <-chan struct{} { return b.done }
func (b *baggageCtx) Err() error {
	select {
	case <-b.done:
		return context.Canceled
	default:
		return nil
	}
}

var served int64

func call(ctx context.Context, cached bool) {
	cctx, cancel := context.WithCancel(ctx)
	if cached {
		atomic.AddInt64(&served, 1)
		_ = cctx
		return // cancel lost
	}
	defer cancel()
	select {
	case <-time.After(time.Duration(5+rand.Intn(100)) * time.Millisecond):
	case <-cctx.Done():
	}
	atomic.AddInt64(&served, 1)
}

func handle(app chan struct{}) {
	b := &baggageCtx{Context: context.Background(), done: app, tags: map[string]string{"k": "v"}}
	for i := 0; i < 3; i++ {
		call(b, rand.Intn(12) == 0)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	app := make(chan struct{})
	for {
		go handle(app)
		time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
	}
}
