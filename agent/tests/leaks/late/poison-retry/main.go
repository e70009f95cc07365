// Webhook dispatcher: a permanent failure (410 Gone) is retried for ever with a capped backoff.
package main

import (
	"errors"
	"math/rand"
	"time"
)

type event struct {
	id   int
	dest string
}

var errGone = errors.New("410 gone")

func post(e event) error {
	time.Sleep(time.Duration(5+rand.Intn(50)) * time.Millisecond)
	if e.dest == "gone" {
		return errGone
	}
	if rand.Intn(5) == 0 {
		return errors.New("503")
	}
	return nil
}

func deliver(e event) {
	backoff := 100 * time.Millisecond
	for {
		if err := post(e); err == nil {
			return
		}
		time.Sleep(backoff + time.Duration(rand.Int63n(int64(backoff))))
		if backoff *= 2; backoff > 5*time.Second {
			backoff = 5 * time.Second
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for i := 0; ; i++ {
		e := event{id: i, dest: "ok"}
		if rand.Intn(12) == 0 {
			e.dest = "gone"
		}
		go deliver(e) // LEAK: poison-retry
		time.Sleep(time.Duration(40+rand.Intn(80)) * time.Millisecond)
	}
}
