// A supervisor restarts all of its seven children when one fails, which happens every few seconds. The children are told by a closed
// channel; each first flushes what it has, which takes up to ten seconds.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

var errFailed = errors.New("child failed")

type child struct {
	id     int
	stop   <-chan struct{}
	failed chan<- error
}

func (c *child) flush() {
	disk := make(chan struct{})
	go func() {
		time.Sleep(time.Duration(3000+rand.Intn(7000)) * time.Millisecond)
		close(disk)
	}()
	<-disk
}

func (c *child) run() {
	defer c.flush()
	for {
		select {
		case <-c.stop:
			return
		case <-time.After(time.Duration(100+rand.Intn(400)) * time.Millisecond):
			if rand.Intn(80) == 0 {
				select {
				case c.failed <- errFailed:
				default:
				}
				return
			}
		}
	}
}

func supervise() {
	for {
		stop, failed := make(chan struct{}), make(chan error, 1)
		for id := 0; id < 7; id++ {
			c := &child{id, stop, failed}
			go c.run()
		}
		<-failed
		close(stop)
		time.Sleep(time.Second)
	}
}

func main() {
	go supervise()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
