// A call has a deadline by time.AfterFunc, which tells by a channel. When the reply comes first the timer is not stopped: its callback
// then tells nobody, for ever.
// LEAK-FUNCTION: expired time.goFunc
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type call struct {
	id    int
	reply chan string
}

func serve(calls <-chan call) {
	for c := range calls {
		c := c
		delay := time.Duration(20+rand.Intn(100)) * time.Millisecond
		if c.id%3 == 0 {
			delay = 700 * time.Millisecond
		}
		time.AfterFunc(delay, func() { c.reply <- fmt.Sprint("reply ", c.id) })
	}
}

func do(calls chan<- call, id int) (string, bool) {
	c := call{id, make(chan string, 1)}
	expired := make(chan int)
	calls <- c
	time.AfterFunc(400*time.Millisecond, func() {
		expired <- id // WAITS: expired
	})
	select {
	case reply := <-c.reply:
		return reply, true
	case <-expired:
		return "", false
	}
}

func main() {
	calls := make(chan call, 8)
	go serve(calls)
	for client := 0; client < 2; client++ {
		client := client
		go func() {
			for n := 0; ; n++ {
				_, _ = do(calls, n+client)
				time.Sleep(time.Duration(100+rand.Intn(500)) * time.Millisecond)
			}
		}()
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
