// Twenty-four agents start one a second and dial a server that is not there, with an exponential backoff of at most 20 s.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"time"
)

type agent struct {
	id       int
	address  string
	attempts int
}

func (a *agent) run() {
	backoff := 250 * time.Millisecond
	for {
		conn, err := net.DialTimeout("tcp", a.address, time.Second)
		if err == nil {
			_, _ = fmt.Fprintln(conn, "hello from", a.id)
			_ = conn.Close()
			backoff = 250 * time.Millisecond
		}
		a.attempts++
		jitter := time.Duration(rand.Int63n(int64(backoff)/2 + 1))
		timer := time.NewTimer(backoff + jitter)
		<-timer.C
		if backoff *= 2; backoff > 20*time.Second {
			backoff = 20 * time.Second
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	go func() {
		for id := 0; id < 24; id++ {
			a := &agent{id: id, address: address}
			go a.run()
			time.Sleep(time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
