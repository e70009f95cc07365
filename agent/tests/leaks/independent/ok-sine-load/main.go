// Connections from within the process, whose number follows a sine of 26 s between 5 and 65.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand"
	"net"
	"os"
	"time"
)

func serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if _, err := fmt.Fprintln(conn, "echo", lines.Text()); err != nil {
			return
		}
	}
}

func talk(conn net.Conn, stop <-chan struct{}) {
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(500+rand.Intn(2500)) * time.Millisecond):
		}
		_, _ = fmt.Fprintln(conn, "line")
		if _, err := answers.ReadString('\n'); err != nil {
			return
		}
	}
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
			go serve(conn)
		}
	}()
	go func() {
		var stops []chan struct{}
		start := time.Now()
		for {
			wanted := 35 - int(30*math.Cos(2*math.Pi*time.Since(start).Seconds()/26))
			for len(stops) > wanted {
				close(stops[0])
				stops = stops[1:]
			}
			for len(stops) < wanted {
				conn, err := net.Dial("tcp", listener.Addr().String())
				if err != nil {
					break
				}
				stop := make(chan struct{})
				stops = append(stops, stop)
				go talk(conn, stop)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
