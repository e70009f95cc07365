// Sessions over TCP with heavy-tailed length (Pareto, median 3 s, at most 240 s); 4 per second; the peer closes.
package main

import (
	"bufio"
	"fmt"
	"log"
	"math"
	"math/rand"
	"net"
	"time"
)

type sess struct {
	c   net.Conn
	out chan string
}

func (s *sess) writer() {
	for m := range s.out {
		if _, err := fmt.Fprintln(s.c, m); err != nil {
			return
		}
	}
}

func (s *sess) serve() {
	defer s.c.Close()
	defer close(s.out)
	go s.writer()
	sc := bufio.NewScanner(s.c)
	for sc.Scan() {
		select {
		case s.out <- "ok":
		default:
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s := &sess{c, make(chan string, 8)}
			go s.serve()
		}
	}()
	for {
		go func() {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				return
			}
			defer c.Close()
			d := 1.6 * math.Pow(1-rand.Float64(), -1/1.1)
			if d > 240 {
				d = 240
			}
			fmt.Fprintln(c, "hello")
			time.Sleep(time.Duration(d * float64(time.Second)))
		}()
		time.Sleep(time.Duration(150+rand.Intn(200)) * time.Millisecond)
	}
}
