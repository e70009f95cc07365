// Sidecar on a unix socket: per connection a watcher closes the connection at shutdown: waits on the app's context only.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"time"
)

type sidecar struct{ ctx context.Context }

func (s *sidecar) handle(c net.Conn) {
	defer c.Close()
	go func() { // LEAK: unix-ctx-watcher
		<-s.ctx.Done()
		c.Close()
	}()
	sc := bufio.NewScanner(c)
	for sc.Scan() {
		time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
		fmt.Fprintln(c, "pong")
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	dir, _ := os.MkdirTemp(".", "sidecar")
	sock := filepath.Join(dir, "s.sock")
	ln, err := net.Listen("unix", sock)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := &sidecar{ctx}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go s.handle(c)
		}
	}()
	for {
		go func() {
			c, err := net.Dial("unix", sock)
			if err != nil {
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for i := 0; i < 3; i++ {
				fmt.Fprintln(c, "ping")
				r.ReadString('\n')
			}
		}()
		time.Sleep(time.Duration(100+rand.Intn(300)) * time.Millisecond)
	}
}
