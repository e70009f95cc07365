// A client dials anew when its server has been silent for three seconds, and does not close what it had. Both sides go on reading:
// slow, but two goroutines each time. Requests on other connections are well.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"time"
)

func serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() { // WAITS: server
		if lines.Text() == "ping" {
			_, _ = fmt.Fprintln(conn, "pong")
		}
	}
}

func read(conn net.Conn, events chan<- string) {
	lines := bufio.NewScanner(conn)
	for lines.Scan() { // WAITS: client
		events <- lines.Text()
	}
}

func subscribe(address string) {
	events := make(chan string, 8)
	for {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		_, _ = fmt.Fprintln(conn, "subscribe")
		go read(conn, events) // LEAK: client
		select {
		case <-events:
		case <-time.After(3 * time.Second):
		}
	}
}

func ping(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = fmt.Fprintln(conn, "ping")
	_, _ = bufio.NewReader(conn).ReadString('\n')
}

func main() {
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
			go serve(conn) // LEAK: server
		}
	}()
	go subscribe(listener.Addr().String())
	go func() {
		for {
			go ping(listener.Addr().String())
			time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
