// A handler that must keep its connection object alive blocks in select{}, as demo code does. It is run for each upgrade.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type upgrade struct {
	buffer []byte
	out    chan []byte
}

func (u *upgrade) hold() {
	defer func() { u.buffer = nil }()
	select {} // WAITS: hold
}

func (u *upgrade) flush() {
	for chunk := range u.out {
		u.buffer = append(u.buffer[:0], chunk...)
	}
}

func serve() {
	u := &upgrade{out: make(chan []byte, 2)}
	go u.hold() // LEAK: hold
	go u.flush()
	for i := 0; i < 5; i++ {
		u.out <- make([]byte, 64)
		time.Sleep(time.Duration(rand.Intn(100)) * time.Millisecond)
	}
	close(u.out)
}

func main() {
	go func() {
		for {
			go serve()
			time.Sleep(time.Duration(500+rand.Intn(1000)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
