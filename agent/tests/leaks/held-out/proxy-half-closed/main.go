// A TCP proxy copies both ways and waits for both copies, but the second to end reports to a channel with room for none. Clients
// are another process.
package main

import (
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

func clients(address string) {
	go func() {
		for {
			go func() {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				defer conn.Close()
				buffer := make([]byte, 16)
				for i := 0; i < 1+rand.Intn(10); i++ {
					if _, err := conn.Write([]byte("ping")); err != nil {
						return
					}
					if _, err := conn.Read(buffer); err != nil {
						return
					}
					time.Sleep(100 * time.Millisecond)
				}
			}()
			time.Sleep(time.Duration(300+rand.Intn(300)) * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func copyTo(to, from net.Conn, ended chan<- error) {
	_, err := io.Copy(to, from)
	ended <- err // WAITS: copy
}

func proxy(client, backend net.Conn) {
	ended := make(chan error)
	go copyTo(backend, client, ended)
	go copyTo(client, backend, ended) // LEAK: copy
	<-ended
	_ = client.Close()
	_ = backend.Close()
}

func echo(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.Copy(conn, conn)
		}()
	}
}

func main() {
	if len(os.Args) > 2 {
		clients(os.Args[2])
		return
	}
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go echo(backend)
	go func() {
		for {
			client, err := front.Accept()
			if err != nil {
				return
			}
			if conn, err := net.Dial("tcp", backend.Addr().String()); err == nil {
				go proxy(client, conn)
			}
		}
	}()
	load := exec.Command(os.Args[0], "clients", front.Addr().String())
	input, _ = load.StdinPipe()
	if err := load.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
