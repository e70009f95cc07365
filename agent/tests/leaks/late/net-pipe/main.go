// In-memory RPC over net.Pipe: the server side's reader of an abandoned call waits for ever (client end is dropped without Close).
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"net"
	"time"
)

func server(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return
		}
		time.Sleep(time.Duration(rand.Intn(50)) * time.Millisecond)
		fmt.Fprint(c, l)
	}
}

func call(n int) {
	a, b := net.Pipe()
	go server(b) // LEAK: net-pipe
	r := bufio.NewReader(a)
	for i := 0; i < n; i++ {
		fmt.Fprintln(a, "ping")
		if _, err := r.ReadString('\n'); err != nil {
			return
		}
	}
	if n == 4 {
		return
	}
	a.Close()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for {
		go call(1 + rand.Intn(10))
		time.Sleep(time.Duration(60+rand.Intn(200)) * time.Millisecond)
	}
}
