// A fixed set of subscribers, some of them slow; publishers wait for room, each up to two seconds, and drop the message then.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type subscriber struct {
	in    chan int
	delay time.Duration
}

func (s *subscriber) run() {
	for range s.in {
		time.Sleep(s.delay)
	}
}

func publish(subs []*subscriber, message int) {
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	for _, s := range subs {
		select {
		case s.in <- message:
		case <-timer.C:
			return
		}
	}
}

func main() {
	var subs []*subscriber
	for i := 0; i < 12; i++ {
		s := &subscriber{make(chan int, 4), time.Duration(i*25) * time.Millisecond}
		subs = append(subs, s)
		go s.run()
	}
	go func() {
		for i := 0; ; i++ {
			go publish(subs, i)
			time.Sleep(time.Duration(100+rand.Intn(250)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
