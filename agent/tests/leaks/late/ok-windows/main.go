// Stream processor: a goroutine per (window, key) collects until the window of 40 s closes; keys appear over the window.
package main

import (
	"fmt"
	"math/rand"
	"time"
)

type agg struct {
	in  chan int
	sum int
}

func (a *agg) run(out chan<- int) {
	for v := range a.in {
		a.sum += v
	}
	out <- a.sum
}

func main() {
	rand.Seed(time.Now().UnixNano())
	out := make(chan int, 16)
	go func() {
		for range out {
		}
	}()
	aggs := map[string]*agg{}
	end := time.Now().Add(40 * time.Second)
	for {
		if time.Now().After(end) {
			for _, a := range aggs {
				close(a.in)
			}
			aggs = map[string]*agg{}
			end = time.Now().Add(40 * time.Second)
		}
		k := fmt.Sprint(rand.Intn(1500))
		a := aggs[k]
		if a == nil {
			a = &agg{in: make(chan int, 4)}
			aggs[k] = a
			go a.run(out)
		}
		a.in <- rand.Intn(10)
		time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
	}
}
