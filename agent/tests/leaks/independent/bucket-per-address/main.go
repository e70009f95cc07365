// A rate limiter has a bucket for each client, filled by a goroutine with a ticker. The key is the remote address with its port, so that
// each connection is a new client.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"time"
)

type bucket struct {
	tokens chan struct{}
}

func (b *bucket) fill() {
	ticker := time.NewTicker(250 * time.Millisecond)
	for {
		<-ticker.C // WAITS: fill
		select {
		case b.tokens <- struct{}{}:
		default:
		}
	}
}

type limiter struct {
	mu      sync.Mutex
	buckets map[string]*bucket
}

func (l *limiter) allow(client string) bool {
	l.mu.Lock()
	b, found := l.buckets[client]
	if !found {
		b = &bucket{make(chan struct{}, 5)}
		b.tokens <- struct{}{}
		l.buckets[client] = b
		go b.fill() // LEAK: fill
	}
	l.mu.Unlock()
	select {
	case <-b.tokens:
		return true
	default:
		return false
	}
}

func (l *limiter) serve(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 64)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
		_, _ = fmt.Fprintln(conn, l.allow(conn.RemoteAddr().String()))
	}
}

func visit(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	buffer := make([]byte, 64)
	for i := 0; i < 1+rand.Intn(6); i++ {
		_, _ = io.WriteString(conn, "hello")
		_, _ = conn.Read(buffer)
		time.Sleep(100 * time.Millisecond)
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	l := &limiter{buckets: map[string]*bucket{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(conn)
		}
	}()
	go func() {
		for {
			go visit(listener.Addr().String())
			time.Sleep(time.Duration(300+rand.Intn(250)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
