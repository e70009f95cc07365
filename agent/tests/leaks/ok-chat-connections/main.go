// A chat server: two goroutines for each connection, one reads, one waits for what to write. Clients, another process, come at two
// a second for half a minute, then half of them go.
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

func clients(address string) {
	var conns []net.Conn
	go func() {
		for {
			for i := 0; i < 60; i++ {
				if conn, err := net.Dial("tcp", address); err == nil {
					conns = append(conns, conn)
					go func() { _, _ = io.Copy(io.Discard, conn) }()
				}
				time.Sleep(500 * time.Millisecond)
			}
			for len(conns) > 30 {
				_ = conns[0].Close()
				conns = conns[1:]
				time.Sleep(50 * time.Millisecond)
			}
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

type room struct {
	mu      sync.Mutex
	members map[*member]struct{}
}

type member struct {
	conn net.Conn
	out  chan []byte
	gone chan struct{}
}

func (m *member) write() {
	for {
		select {
		case message := <-m.out:
			if _, err := m.conn.Write(message); err != nil {
				return
			}
		case <-m.gone:
			return
		}
	}
}

func (r *room) serve(conn net.Conn) {
	m := &member{conn, make(chan []byte, 4), make(chan struct{})}
	r.mu.Lock()
	r.members[m] = struct{}{}
	r.mu.Unlock()
	go m.write()
	_, _ = io.Copy(io.Discard, conn)
	close(m.gone)
	r.mu.Lock()
	delete(r.members, m)
	r.mu.Unlock()
	_ = conn.Close()
}

func main() {
	if len(os.Args) > 2 {
		clients(os.Args[2])
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	r := &room{members: map[*member]struct{}{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(conn)
		}
	}()
	load := exec.Command(os.Args[0], "clients", listener.Addr().String())
	input, _ = load.StdinPipe()
	if err := load.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
