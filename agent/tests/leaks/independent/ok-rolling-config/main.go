// Every four seconds a new configuration: a new generation of workers takes over. The old ones first end what they are at, which takes up
// to 15 s, and then see that they are to quit.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type generation struct {
	number int
	quit   chan struct{}
	parts  chan int
}

func (g *generation) feed() {
	for part := 0; ; part++ {
		select {
		case g.parts <- part:
		case <-g.quit:
			close(g.parts)
			return
		}
		time.Sleep(time.Duration(rand.Intn(5)) * time.Millisecond)
	}
}

func (g *generation) work() {
	for range g.parts {
		finished := make(chan struct{})
		time.AfterFunc(time.Duration(1000+rand.Intn(14000))*time.Millisecond, func() { close(finished) })
		<-finished
	}
}

func main() {
	go func() {
		var old *generation
		for number := 0; ; number++ {
			g := &generation{number, make(chan struct{}), make(chan int)}
			go g.feed()
			for i := 0; i < 6; i++ {
				go g.work()
			}
			if old != nil {
				close(old.quit)
			}
			old = g
			time.Sleep(4 * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
