// Live connections are hijacked from an HTTP server. A pump writes each update, and does not look whether that works; nobody notices
// that the client has gone.
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

type session struct {
	conn    net.Conn
	updates chan string
}

func (s *session) pump() {
	for update := range s.updates { // WAITS: pump
		_, _ = io.WriteString(s.conn, update)
	}
}

type hub struct {
	mu       sync.Mutex
	sessions []*session
}

func (h *hub) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: live\r\nConnection: Upgrade\r\n\r\n")
	s := &session{conn, make(chan string, 1)}
	h.mu.Lock()
	h.sessions = append(h.sessions, s)
	h.mu.Unlock()
	go s.pump() // LEAK: pump
}

func (h *hub) publish() {
	for n := 0; ; n++ {
		time.Sleep(4 * time.Second)
		h.mu.Lock()
		for _, s := range h.sessions {
			select {
			case s.updates <- fmt.Sprint("update ", n, "\n"):
			default:
			}
		}
		h.mu.Unlock()
	}
}

func visit(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /live HTTP/1.1\r\nHost: live\r\nConnection: Upgrade\r\nUpgrade: live\r\n\r\n")
	_, _ = bufio.NewReader(conn).ReadString('\n')
	time.Sleep(time.Duration(100+rand.Intn(1500)) * time.Millisecond)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	h := &hub{}
	go h.publish()
	go func() { _ = http.Serve(listener, h) }()
	go func() {
		for {
			go visit(listener.Addr().String())
			time.Sleep(time.Duration(400+rand.Intn(500)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
