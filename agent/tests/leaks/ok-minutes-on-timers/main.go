// Sessions of one to four minutes, opened steadily. What ends them is a timer each: one a channel's, one a function's.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type session struct{ closed chan struct{} }

func (s *session) serve() { <-s.closed }

func watch(session *session, length time.Duration) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-session.closed:
	}
}

func main() {
	go func() {
		for {
			length := time.Duration(60+rand.Intn(180)) * time.Second
			s := &session{make(chan struct{})}
			time.AfterFunc(length, func() { close(s.closed) })
			go s.serve()
			go watch(s, length)
			time.Sleep(time.Duration(500+rand.Intn(1000)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
