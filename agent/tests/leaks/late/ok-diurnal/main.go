// Sinusoidal load with a period of 110 s: 2 to 22 jobs/s of 3 s, processed by goroutines waiting for a reply.
package main

import (
	"math"
	"math/rand"
	"time"
)

type req struct{ done chan int }

func backend(in <-chan req) {
	for r := range in {
		r := r
		go func() {
			time.Sleep(time.Duration(1500+rand.Intn(3000)) * time.Millisecond)
			r.done <- 1
		}()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	in := make(chan req)
	go backend(in)
	start := time.Now()
	for {
		go func() {
			r := req{make(chan int, 1)}
			in <- r
			<-r.done
		}()
		rate := 12 - 10*math.Cos(2*math.Pi*time.Since(start).Seconds()/110)
		time.Sleep(time.Duration(float64(time.Second) / rate))
	}
}
