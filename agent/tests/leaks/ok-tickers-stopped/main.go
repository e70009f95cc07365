// Requests that poll with a ticker each, and sessions that keep one for as long as they last. All are stopped. Some are read by somebody
// else than who made them, and some are only looked at now and then.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type session struct {
	ticker *time.Ticker
	wake   chan struct{}
}

var sessions = map[int]*session{}

func poll(answers int) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; i < answers; i++ {
		<-ticker.C
	}
}

// open keeps up to 40 sessions. A ticker is read when the session is looked at.
func open(id int) {
	if old := sessions[id%40]; old != nil {
		old.ticker.Stop()
	}
	sessions[id%40] = &session{time.NewTicker(200 * time.Millisecond), make(chan struct{}, 1)}
	for i := 0; i < 3; i++ {
		if other := sessions[rand.Intn(40)]; other != nil {
			select {
			case <-other.ticker.C:
			default:
			}
		}
	}
}

func announce() {
	for range time.Tick(300 * time.Millisecond) {
		go poll(1 + rand.Intn(5))
	}
}

func main() {
	go announce()
	go func() {
		for id := 0; ; id++ {
			open(id)
			time.Sleep(100 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
