// Another process has a pool of connections that grows with its load for 25 s, up to 40, and keeps them. Each is served by a goroutine.
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

type client struct {
	address string
	idle    chan net.Conn
}

func (c *client) do() {
	var conn net.Conn
	select {
	case conn = <-c.idle:
	default:
		made, err := net.Dial("tcp", c.address)
		if err != nil {
			return
		}
		conn = made
	}
	_, _ = fmt.Fprintln(conn, "get")
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		_ = conn.Close()
		return
	}
	select {
	case c.idle <- conn:
	default:
		_ = conn.Close()
	}
}

func load(address string) {
	c := &client{address, make(chan net.Conn, 40)}
	start := time.Now()
	go func() {
		workers := 0
		for {
			if want := 2 + int(38*time.Since(start)/(25*time.Second)); workers < want && workers < 40 {
				workers++
				go func() {
					for {
						c.do()
						time.Sleep(time.Duration(rand.Intn(60)) * time.Millisecond)
					}
				}()
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func serve(conn net.Conn) {
	defer conn.Close()
	requests := bufio.NewReader(conn)
	for {
		if _, err := requests.ReadString('\n'); err != nil {
			return
		}
		time.Sleep(time.Duration(50+rand.Intn(200)) * time.Millisecond)
		if _, err := fmt.Fprintln(conn, "value"); err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) > 2 {
		load(os.Args[2])
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	child := exec.Command(program, "load", listener.Addr().String())
	input, _ = child.StdinPipe()
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
