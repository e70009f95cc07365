// Deliveries are tried seven times, with a pause that doubles from 200 ms, and then given up: some 25 s for an endpoint that is down.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync/atomic"
	"time"
)

var (
	errDown = errors.New("endpoint is down")
	givenUp int64
)

func post(endpoint int) error {
	time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
	if endpoint%7 == 2 {
		return errDown
	}
	return nil
}

func deliver(endpoint int) {
	pause := 200 * time.Millisecond
	for attempt := 0; attempt < 7; attempt++ {
		if post(endpoint) == nil {
			return
		}
		time.Sleep(pause)
		pause *= 2
	}
	atomic.AddInt64(&givenUp, 1)
}

func main() {
	go func() {
		for n := 0; ; n++ {
			go deliver(n)
			time.Sleep(time.Duration(60+rand.Intn(80)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
