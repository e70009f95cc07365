// A pipeline whose last stage is slower than its source: items queue up until all 60 places are taken, and then the source waits.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type item struct{ n, size int }

func parse(it item, parsed chan<- item, places <-chan struct{}) {
	time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
	it.size = rand.Intn(1000)
	parsed <- it
	<-places
}

func store(parsed <-chan item) {
	total := 0
	for it := range parsed {
		time.Sleep(time.Duration(800+rand.Intn(400)) * time.Millisecond)
		total += it.size
	}
}

func main() {
	parsed := make(chan item)
	for i := 0; i < 4; i++ {
		go store(parsed)
	}
	places := make(chan struct{}, 60)
	go func() {
		for n := 0; ; n++ {
			places <- struct{}{}
			go parse(item{n: n}, parsed, places)
			time.Sleep(time.Duration(100+rand.Intn(100)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
