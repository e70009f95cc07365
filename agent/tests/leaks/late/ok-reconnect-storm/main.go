// 120 agents (in-process) keep a connection to a server that restarts each 35 s; they reconnect with jittered backoff.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"net"
	"sync"
	"time"
)

type server struct {
	mu    sync.Mutex
	addr  string
	conns map[net.Conn]bool
}

func (s *server) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		go func() {
			defer c.Close()
			sc := bufio.NewScanner(c)
			for sc.Scan() {
				fmt.Fprintln(c, "ok")
			}
		}()
	}
}

func (s *server) lifecycle() {
	for {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		s.mu.Lock()
		s.addr = ln.Addr().String()
		s.mu.Unlock()
		go s.serve(ln)
		time.Sleep(time.Duration(30+rand.Intn(10)) * time.Second)
		ln.Close()
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.conns = map[net.Conn]bool{}
		s.addr = ""
		s.mu.Unlock()
		time.Sleep(3 * time.Second)
	}
}

func (s *server) agent() {
	back := 500 * time.Millisecond
	for {
		s.mu.Lock()
		a := s.addr
		s.mu.Unlock()
		c, err := net.Dial("tcp", a)
		if a == "" || err != nil {
			if c != nil {
				c.Close()
			}
			time.Sleep(back + time.Duration(rand.Int63n(int64(back))))
			if back *= 2; back > 8*time.Second {
				back = 8 * time.Second
			}
			continue
		}
		back = 500 * time.Millisecond
		errc := make(chan error, 1)
		go func() {
			b := make([]byte, 512)
			for {
				if _, err := c.Read(b); err != nil {
					errc <- err
					return
				}
			}
		}()
		t := time.NewTicker(10 * time.Second)
	loop:
		for {
			select {
			case <-errc:
				break loop
			case <-t.C:
				fmt.Fprintln(c, "hb")
			}
		}
		t.Stop()
		c.Close()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	s := &server{conns: map[net.Conn]bool{}}
	go s.lifecycle()
	for i := 0; i < 120; i++ {
		go s.agent()
	}
	select {}
}
