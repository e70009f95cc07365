// A health check arms itself again with time.AfterFunc and starts a goroutine that reports to the owner's channel. The owner is gone
// after a while, the check is not: each tick leaves one more reporter.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type check struct {
	reports chan bool
	every   time.Duration
}

func (c *check) arm() {
	time.AfterFunc(c.every, func() {
		go c.report() // LEAK: report
		c.arm()
	})
}

func (c *check) report() {
	time.Sleep(time.Duration(rand.Intn(10)) * time.Millisecond)
	c.reports <- true // WAITS: report
}

func owner() {
	c := &check{make(chan bool), 2 * time.Second}
	c.arm()
	for i := 0; i < 2; i++ {
		<-c.reports
	}
}

func main() {
	go func() {
		for {
			go owner()
			time.Sleep(4 * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
