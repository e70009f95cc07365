// Twenty schedules with tickers of one to twenty seconds, each of which starts a short task.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type schedule struct {
	every time.Duration
	stop  chan struct{}
}

func (s *schedule) run(task func()) {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			go task()
		case <-s.stop:
			return
		}
	}
}

func main() {
	for i := 1; i <= 20; i++ {
		s := &schedule{time.Duration(i) * time.Second, make(chan struct{})}
		go s.run(func() { time.Sleep(time.Duration(rand.Intn(1500)) * time.Millisecond) })
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
