// The channel that would stop a listener is only made when an option is set: without it the listener waits on a nil channel.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type listener struct {
	stop   chan struct{}
	events int
}

type option func(*listener)

func withStop() option { return func(l *listener) { l.stop = make(chan struct{}) } }

func listen(options ...option) *listener {
	l := &listener{}
	for _, o := range options {
		o(l)
	}
	go l.run() // LEAK: listener
	return l
}

func (l *listener) run() {
	l.events++
	<-l.stop // WAITS: listener
}

func (l *listener) close() {
	if l.stop != nil {
		close(l.stop)
	}
}

func main() {
	go func() {
		for i := 0; ; i++ {
			var l *listener
			if i%3 == 0 {
				l = listen()
			} else {
				l = listen(withStop())
			}
			time.Sleep(time.Duration(200+rand.Intn(200)) * time.Millisecond)
			l.close()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
