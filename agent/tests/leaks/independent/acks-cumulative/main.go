// A producer starts a goroutine for each message that waits for its acknowledgement. The broker acknowledges only the last message of a
// batch, and means all.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync/atomic"
	"time"
)

type message struct {
	n      int
	acked  chan struct{}
	nacked chan error
}

var acknowledged int64

func (m *message) confirm() {
	select { // WAITS: confirm
	case <-m.acked:
		atomic.AddInt64(&acknowledged, 1)
	case <-m.nacked:
	}
}

func broker(messages <-chan *message) {
	var last *message
	flush := time.NewTicker(30 * time.Millisecond)
	defer flush.Stop()
	for {
		select {
		case m := <-messages:
			last = m
		case <-flush.C:
			if last != nil {
				close(last.acked)
				last = nil
			}
		}
	}
}

func main() {
	messages := make(chan *message, 64)
	go broker(messages)
	go func() {
		for n := 0; ; n++ {
			m := &message{n, make(chan struct{}), make(chan error, 1)}
			go m.confirm() // LEAK: confirm
			messages <- m
			time.Sleep(time.Duration(2000+rand.Intn(4000)) * time.Microsecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
