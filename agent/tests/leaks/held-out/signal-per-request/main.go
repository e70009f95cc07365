// Each upload asks to be told of SIGHUP, and neither stops that nor ends the goroutine: package signal keeps the channel.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type upload struct {
	aborted bool
	bytes   int
}

func (u *upload) abortOnHangup() {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() { // LEAK: hangup
		<-hangup // WAITS: hangup
		u.aborted = true
	}()
}

func (u *upload) run() {
	u.abortOnHangup()
	for i := 0; i < 10 && !u.aborted; i++ {
		u.bytes += rand.Intn(1000)
		time.Sleep(50 * time.Millisecond)
	}
}

func main() {
	go func() {
		for {
			go (&upload{}).run()
			time.Sleep(time.Duration(400+rand.Intn(800)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
