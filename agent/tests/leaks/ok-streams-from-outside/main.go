// A watch server as etcd is one: streams come one a second from another process and stay. Each has a reader and a sender, which
// waits for events of a registry that has few. Whoever opened them decides when they end.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

func clients(address string) {
	var conns []net.Conn
	go func() {
		for i := 0; ; i++ {
			if conn, err := net.Dial("tcp", address); err == nil {
				conns = append(conns, conn)
				_, _ = fmt.Fprintf(conn, "watch %d\n", i)
			}
			time.Sleep(time.Second)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, conn := range conns {
		_ = conn.Close()
	}
}

type stream struct {
	key    string
	events chan string
}

type registry struct {
	mu      sync.Mutex
	streams map[*stream]struct{}
}

var watchers = &registry{streams: map[*stream]struct{}{}}

func serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	key, err := reader.ReadString('\n')
	if err != nil {
		return
	}
	s := &stream{key, make(chan string)}
	closed := make(chan struct{})
	watchers.mu.Lock()
	watchers.streams[s] = struct{}{}
	watchers.mu.Unlock()
	go func() {
		for {
			select {
			case event := <-s.events:
				_, _ = io.WriteString(conn, event)
			case <-closed:
				return
			}
		}
	}()
	_, _ = io.Copy(io.Discard, reader)
	close(closed)
	watchers.mu.Lock()
	delete(watchers.streams, s)
	watchers.mu.Unlock()
}

func main() {
	if len(os.Args) > 2 {
		clients(os.Args[2])
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
	load := exec.Command(os.Args[0], "clients", listener.Addr().String())
	input, _ = load.StdinPipe()
	if err := load.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
