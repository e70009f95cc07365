// Streaming RPC server: the keepalive goroutine takes the server's context instead of the stream's. Pings to a closed
// stream are ignored. It lives (ticks each 5 s) for ever.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"math/rand"
	"net"
	"sync"
	"time"
)

type stream struct {
	ctx  context.Context
	conn net.Conn
	mu   sync.Mutex
}

func (s *stream) send(b string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprint(s.conn, b)
}

type srv struct{ ctx context.Context }

func (v *srv) keepalive(ctx context.Context, s *stream) {
	t := time.NewTicker(5 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.send("ping\n")
		}
	}
}

func (v *srv) handle(conn net.Conn) {
	defer conn.Close()
	ctx, cancel := context.WithCancel(v.ctx)
	defer cancel()
	s := &stream{ctx: ctx, conn: conn}
	go v.keepalive(v.ctx, s) // LEAK: stream-keepalive
	sc := bufio.NewScanner(conn)
	for sc.Scan() {
		s.send("ok\n")
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	v := &srv{ctx: context.Background()}
	v.ctx, _ = context.WithCancel(context.Background())
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go v.handle(c)
		}
	}()
	for {
		go func() {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				return
			}
			defer c.Close()
			for i := 0; i < 5+rand.Intn(30); i++ {
				fmt.Fprint(c, "chunk\n")
				time.Sleep(time.Duration(100+rand.Intn(400)) * time.Millisecond)
			}
		}()
		time.Sleep(time.Duration(400+rand.Intn(1000)) * time.Millisecond)
	}
}
