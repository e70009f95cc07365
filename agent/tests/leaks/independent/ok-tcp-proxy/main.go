// A TCP proxy copies in both directions and closes both when one ends. Its clients are in another process and stay for 6 to 16 s, mostly
// silent; the backend is in the process.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

func visit(address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = fmt.Fprintln(conn, "hello")
	_, _ = bufio.NewReader(conn).ReadString('\n')
	time.Sleep(time.Duration(6000+rand.Intn(10000)) * time.Millisecond)
}

func clients(address string) {
	go func() {
		for {
			go visit(address)
			time.Sleep(time.Duration(400+rand.Intn(500)) * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func accept(listener net.Listener, handle func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go handle(conn)
	}
}

func backend(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		_, _ = fmt.Fprintln(conn, "welcome")
	}
}

func proxy(client net.Conn, target string) {
	server, err := net.Dial("tcp", target)
	if err != nil {
		_ = client.Close()
		return
	}
	var once sync.Once
	end := func() {
		_ = client.Close()
		_ = server.Close()
	}
	go func() {
		_, _ = io.Copy(server, client)
		once.Do(end)
	}()
	_, _ = io.Copy(client, server)
	once.Do(end)
}

func main() {
	if len(os.Args) > 2 {
		clients(os.Args[2])
		return
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	outer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go accept(inner, backend)
	go accept(outer, func(conn net.Conn) { proxy(conn, inner.Addr().String()) })
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	child := exec.Command(program, "clients", outer.Addr().String())
	input, _ = child.StdinPipe()
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
