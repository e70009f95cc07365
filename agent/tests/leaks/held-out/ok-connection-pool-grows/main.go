// A pool of connections to a database grows with the load to thirty and stays there. Each has a reader goroutine and one that waits
// for queries to send. The database is another process.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

func database() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					time.Sleep(time.Duration(20+rand.Intn(200)) * time.Millisecond)
					_, _ = fmt.Fprintln(conn, "ok")
				}
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

type conn struct {
	net.Conn
	queries chan string
	answers chan string
}

func (c *conn) write() {
	for q := range c.queries {
		_, _ = fmt.Fprintln(c, q)
	}
}

func (c *conn) read() {
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		c.answers <- lines.Text()
	}
}

type pool struct {
	address string
	idle    chan *conn
	room    chan struct{}
}

func (p *pool) get() *conn {
	select {
	case c := <-p.idle:
		return c
	default:
	}
	select {
	case c := <-p.idle:
		return c
	case p.room <- struct{}{}:
		dialled, err := net.Dial("tcp", p.address)
		if err != nil {
			panic(err)
		}
		c := &conn{dialled, make(chan string), make(chan string)}
		go c.write()
		go c.read()
		return c
	}
}

func (p *pool) query() {
	c := p.get()
	c.queries <- "select 1"
	<-c.answers
	p.idle <- c
}

func main() {
	if len(os.Args) > 1 {
		database()
		return
	}
	server := exec.Command(os.Args[0], "database")
	input, _ = server.StdinPipe()
	output, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		panic(err)
	}
	address, _ := bufio.NewReader(output).ReadString('\n')
	p := &pool{strings.TrimSpace(address), make(chan *conn, 30), make(chan struct{}, 30)}
	go func() {
		start := time.Now()
		for {
			go p.query()
			rate := 10 + 5*time.Since(start).Seconds()
			if rate > 120 {
				rate = 120
			}
			time.Sleep(time.Duration(float64(time.Second) / rate))
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
