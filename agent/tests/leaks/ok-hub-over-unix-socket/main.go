// A hub that writes to all its connections once a second, over a unix socket. Another process opens one more every 0.8 s and keeps
// them all: a reader and a writer each, and whoever opened them decides when they end.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

const address = "hub.sock"

func clients() {
	go func() {
		for {
			if conn, err := net.Dial("unix", address); err == nil {
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			}
			time.Sleep(800 * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

type subscriber struct {
	conn net.Conn
	send chan string
}

type hub struct {
	mu   sync.Mutex
	subs map[*subscriber]bool
}

func (h *hub) broadcast(message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		select {
		case s.send <- message:
		default:
		}
	}
}

func (h *hub) read(s *subscriber) {
	_, _ = io.Copy(io.Discard, s.conn)
	h.mu.Lock()
	delete(h.subs, s)
	h.mu.Unlock()
	close(s.send)
	_ = s.conn.Close()
}

func (s *subscriber) write() {
	for message := range s.send {
		if _, err := io.WriteString(s.conn, message); err != nil {
			return
		}
	}
}

func (h *hub) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s := &subscriber{conn, make(chan string, 8)}
		h.mu.Lock()
		h.subs[s] = true
		h.mu.Unlock()
		go h.read(s)
		go s.write()
	}
}

func main() {
	if len(os.Args) > 1 {
		clients()
		return
	}
	listener, err := net.Listen("unix", address)
	if err != nil {
		panic(err)
	}
	h := &hub{subs: map[*subscriber]bool{}}
	go h.serve(listener)
	go func() {
		for i := 0; ; i++ {
			h.broadcast(fmt.Sprintln("tick", i))
			time.Sleep(time.Second)
		}
	}()
	load := exec.Command(os.Args[0], "clients")
	input, _ = load.StdinPipe()
	if err := load.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
