// Traffic ramp: concurrent jobs grow from 2/s to 20/s over four minutes, each takes 4 to 8 s.
package main

import (
	"context"
	"math/rand"
	"time"
)

func handle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(time.Duration(4000+rand.Intn(4000)) * time.Millisecond)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	start := time.Now()
	for {
		f := time.Since(start).Seconds() / 240
		if f > 1 {
			f = 1
		}
		rate := 2 + 18*f
		go handle(context.Background())
		time.Sleep(time.Duration(float64(time.Second) / rate))
	}
}
