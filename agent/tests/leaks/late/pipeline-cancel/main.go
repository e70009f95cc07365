// ETL: read -> transform -> load. transform and load respect ctx, the reader stage does not select on ctx when sending.
package main

import (
	"context"
	"math/rand"
	"time"
)

type row struct{ id int }

func read(n int) <-chan row {
	out := make(chan row)
	go func() { // LEAK: pipeline-cancel
		defer close(out)
		for i := 0; i < n; i++ {
			time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
			out <- row{i}
		}
	}()
	return out
}

func transform(ctx context.Context, in <-chan row) <-chan row {
	out := make(chan row)
	go func() {
		defer close(out)
		for {
			select {
			case r, ok := <-in:
				if !ok {
					return
				}
				r.id *= 2
				select {
				case out <- r:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

func load(ctx context.Context, in <-chan row) int {
	n := 0
	for {
		select {
		case _, ok := <-in:
			if !ok {
				return n
			}
			n++
		case <-ctx.Done():
			return n
		}
	}
}

func runBatch() {
	ctx, cancel := context.WithTimeout(context.Background(), 1100*time.Millisecond)
	defer cancel()
	load(ctx, transform(ctx, read(60+rand.Intn(70))))
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for {
		go runBatch()
		time.Sleep(time.Duration(600+rand.Intn(800)) * time.Millisecond)
	}
}
