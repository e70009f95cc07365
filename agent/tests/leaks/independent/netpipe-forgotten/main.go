// An in-memory RPC transport: each dial makes a net.Pipe whose one end is served. A client that gets an error forgets its end, and the
// server reads from the other for ever.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"strings"
	"time"
)

type server struct{ name string }

func (s *server) dial() net.Conn {
	near, far := net.Pipe()
	go s.serve(far) // LEAK: serve
	return near
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	requests := bufio.NewScanner(conn)
	for requests.Scan() { // WAITS: serve
		answer := "ok " + s.name
		if strings.HasSuffix(requests.Text(), "7") {
			answer = "error"
		}
		if _, err := fmt.Fprintln(conn, answer); err != nil {
			return
		}
	}
}

func call(s *server, id int) error {
	conn := s.dial()
	if _, err := fmt.Fprintln(conn, "get", id); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.HasPrefix(answer, "error") {
		return fmt.Errorf("call %d: %s", id, answer)
	}
	return conn.Close()
}

func main() {
	s := &server{"memory"}
	go func() {
		for id := 0; ; id++ {
			_ = call(s, id)
			time.Sleep(time.Duration(15+rand.Intn(40)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
