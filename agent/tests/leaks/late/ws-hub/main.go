// Chat hub: on unregister the hub forgets the client but does not close its send channel,
// so the write pump waits for ever.
package main

import (
	"bufio"
	"fmt"
	"log"
	"math/rand"
	"net"
	"time"
)

type client struct {
	hub  *hub
	conn net.Conn
	send chan []byte
}

type hub struct {
	clients    map[*client]bool
	register   chan *client
	unregister chan *client
	broadcast  chan []byte
}

func (h *hub) run() {
	for {
		select {
		case c := <-h.register:
			h.clients[c] = true
		case c := <-h.unregister:
			delete(h.clients, c)
		case m := <-h.broadcast:
			for c := range h.clients {
				select {
				case c.send <- m:
				default:
				}
			}
		}
	}
}

func (c *client) readPump() {
	defer func() {
		c.hub.unregister <- c
		c.conn.Close()
	}()
	sc := bufio.NewScanner(c.conn)
	for sc.Scan() {
		c.hub.broadcast <- append([]byte(nil), sc.Bytes()...)
	}
}

func (c *client) writePump() {
	for m := range c.send {
		if _, err := c.conn.Write(append(m, '\n')); err != nil {
			return
		}
	}
}

func serve(h *hub, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		c := &client{hub: h, conn: conn, send: make(chan []byte, 64)}
		h.register <- c
		go c.readPump()
		go c.writePump() // LEAK: ws-hub
	}
}

func user(addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	go func() {
		b := make([]byte, 4096)
		for {
			if _, err := conn.Read(b); err != nil {
				return
			}
		}
	}()
	end := time.Now().Add(time.Duration(5+rand.Intn(20)) * time.Second)
	for time.Now().Before(end) {
		fmt.Fprintf(conn, "hello %d\n", rand.Intn(100))
		time.Sleep(time.Duration(500+rand.Intn(2000)) * time.Millisecond)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	h := &hub{clients: map[*client]bool{}, register: make(chan *client), unregister: make(chan *client), broadcast: make(chan []byte)}
	go h.run()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go serve(h, ln)
	for {
		go user(ln.Addr().String())
		time.Sleep(time.Duration(1200+rand.Intn(1200)) * time.Millisecond)
	}
}
