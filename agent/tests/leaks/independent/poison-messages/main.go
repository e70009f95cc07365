// Each message is delivered in a goroutine, again and again with a backoff until the endpoint takes it. Some it will never take.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type message struct {
	id      int
	payload string
}

var (
	errBusy    = errors.New("503 busy")
	errInvalid = errors.New("400 invalid")
)

func post(m message) error {
	time.Sleep(time.Duration(2+rand.Intn(8)) * time.Millisecond)
	switch {
	case m.payload == "":
		return errInvalid
	case rand.Intn(3) == 0:
		return errBusy
	}
	return nil
}

func deliver(m message) {
	backoff := 50 * time.Millisecond
	for {
		if err := post(m); err == nil {
			return
		}
		time.Sleep(backoff) // WAITS: deliver
		if backoff *= 2; backoff > time.Second {
			backoff = time.Second
		}
	}
}

func main() {
	go func() {
		for id := 0; ; id++ {
			m := message{id, "payload"}
			if id%8 == 5 {
				m.payload = ""
			}
			go deliver(m) // LEAK: deliver
			time.Sleep(time.Duration(70+rand.Intn(90)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
