// Calls to a service that is down half of the time are tried again after ever longer sleeps, up to sixteen seconds.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type upstream struct{ start time.Time }

func (u *upstream) call() error {
	if int(time.Since(u.start).Seconds())%20 < 12 {
		return errors.New("connection refused")
	}
	return nil
}

func (u *upstream) withRetry() {
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		if u.call() == nil {
			return
		}
		if wait > 16*time.Second {
			return
		}
		time.Sleep(wait + time.Duration(rand.Intn(100))*time.Millisecond)
	}
}

func main() {
	u := &upstream{time.Now()}
	go func() {
		for {
			go u.withRetry()
			time.Sleep(time.Duration(200+rand.Intn(400)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
