// An HTTP server's ConnState starts a tracker for each new connection and ends it when the connection is closed. Hijacked ones are never
// reported as closed.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

type tracker struct {
	mu    sync.Mutex
	conns map[net.Conn]chan struct{}
	open  int
}

func (t *tracker) change(conn net.Conn, state http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch state {
	case http.StateNew:
		closed := make(chan struct{})
		t.conns[conn] = closed
		t.open++
		go t.track(closed, time.Now()) // LEAK: track
	case http.StateClosed:
		close(t.conns[conn])
		delete(t.conns, conn)
	}
}

func (t *tracker) track(closed <-chan struct{}, since time.Time) {
	<-closed // WAITS: track
	t.mu.Lock()
	t.open--
	t.mu.Unlock()
	_ = time.Since(since)
}

func handle(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/upgrade" {
		_, _ = io.WriteString(w, "page\n")
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
	time.Sleep(time.Duration(rand.Intn(500)) * time.Millisecond)
}

func visit(address, path string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: site\r\n\r\n", path)
	_, _ = bufio.NewReader(conn).ReadString('\n')
	time.Sleep(time.Duration(rand.Intn(800)) * time.Millisecond)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	t := &tracker{conns: map[net.Conn]chan struct{}{}}
	server := &http.Server{Handler: http.HandlerFunc(handle), ConnState: t.change}
	go func() { _ = server.Serve(listener) }()
	go func() {
		for n := 0; ; n++ {
			path := "/"
			if n%5 == 0 {
				path = "/upgrade"
			}
			go visit(listener.Addr().String(), path)
			time.Sleep(time.Duration(100+rand.Intn(160)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
