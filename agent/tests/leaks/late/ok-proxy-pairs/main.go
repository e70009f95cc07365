// TCP proxy with proper half close; connections live 5 to 45 s.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"sync"
	"time"
)

func listen(h func(net.Conn)) string {
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
			go h(c)
		}
	}()
	return ln.Addr().String()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	up := listen(func(c net.Conn) {
		defer c.Close()
		sc := bufio.NewScanner(c)
		for sc.Scan() {
			fmt.Fprintln(c, "re", sc.Text())
		}
	})
	px := listen(func(d net.Conn) {
		u, err := net.Dial("tcp", up)
		if err != nil {
			d.Close()
			return
		}
		var wg sync.WaitGroup
		wg.Add(2)
		cp := func(dst, src net.Conn) {
			defer wg.Done()
			io.Copy(dst, src)
			dst.(*net.TCPConn).CloseWrite()
		}
		go cp(u, d)
		go cp(d, u)
		wg.Wait()
		u.Close()
		d.Close()
	})
	for {
		go func() {
			c, err := net.Dial("tcp", px)
			if err != nil {
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for i := 0; i < 5; i++ {
				fmt.Fprintln(c, "m", i)
				r.ReadString('\n')
				time.Sleep(time.Duration(1000+rand.Intn(8000)) * time.Millisecond)
			}
		}()
		time.Sleep(time.Duration(300+rand.Intn(600)) * time.Millisecond)
	}
}
