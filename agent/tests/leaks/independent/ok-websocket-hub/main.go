// A hub as of websockets: a reading and a writing pump for each client. The clients are in another process, come twice a second and stay
// for 5 to 20 seconds.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

func visit(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	time.AfterFunc(time.Duration(5000+rand.Intn(15000))*time.Millisecond, func() { _ = conn.Close() })
	go func() {
		for {
			if _, err := fmt.Fprintln(conn, "typing"); err != nil {
				return
			}
			time.Sleep(time.Duration(2000+rand.Intn(6000)) * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, conn)
}

func clients(address string) {
	go func() {
		for {
			go visit(address)
			time.Sleep(time.Duration(300+rand.Intn(400)) * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

type client struct {
	conn net.Conn
	send chan string
}

type hub struct {
	register, unregister chan *client
	broadcast            chan string
}

func (h *hub) run() {
	clients := map[*client]bool{}
	for {
		select {
		case c := <-h.register:
			clients[c] = true
		case c := <-h.unregister:
			if clients[c] {
				delete(clients, c)
				close(c.send)
			}
		case line := <-h.broadcast:
			for c := range clients {
				select {
				case c.send <- line:
				default:
					delete(clients, c)
					close(c.send)
				}
			}
		}
	}
}

func (h *hub) readPump(c *client) {
	defer func() {
		h.unregister <- c
		_ = c.conn.Close()
	}()
	lines := bufio.NewScanner(c.conn)
	for lines.Scan() {
		h.broadcast <- lines.Text()
	}
}

func (c *client) writePump() {
	defer c.conn.Close()
	for line := range c.send {
		if _, err := fmt.Fprintln(c.conn, line); err != nil {
			_ = c.conn.Close()
		}
	}
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
	h := &hub{make(chan *client), make(chan *client), make(chan string)}
	go h.run()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c := &client{conn, make(chan string, 64)}
			h.register <- c
			go h.readPump(c)
			go c.writePump()
		}
	}()
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	child := exec.Command(program, "clients", listener.Addr().String())
	input, _ = child.StdinPipe()
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
