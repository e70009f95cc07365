// Delayed jobs sleep until their time: one to ten minutes. They are scheduled all the time.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type mail struct{ to string }

func (m *mail) sendLater(delay time.Duration) {
	time.Sleep(delay)
	m.to = ""
}

func main() {
	go func() {
		for {
			m := &mail{"somebody"}
			go m.sendLater(time.Duration(60+rand.Intn(540)) * time.Second)
			time.Sleep(time.Duration(400+rand.Intn(800)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
