// Delayed jobs: reminder goroutines sleep 60 to 240 s before they fire; one per second.
package main

import (
	"math/rand"
	"sync/atomic"
	"time"
)

var fired int64

func remind(after time.Duration) {
	time.Sleep(after)
	atomic.AddInt64(&fired, 1)
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for {
		go remind(time.Duration(60+rand.Intn(180)) * time.Second)
		time.Sleep(time.Duration(600+rand.Intn(800)) * time.Millisecond)
	}
}
