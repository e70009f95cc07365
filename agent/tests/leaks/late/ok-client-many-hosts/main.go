// Federation client: talks to many hosts (loopback addresses), the transport drops idle connections after 45 s. 3 new hosts per second at most 400.
package main

import (
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

func serve(addr string) {
	go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "inbox") }))
}

var child *exec.Cmd // kept alive, with its stdin pipe

func main() {
	rand.Seed(time.Now().UnixNano())
	if len(os.Args) > 1 {
		serve(os.Args[1])
		return
	}
	port := 20000 + rand.Intn(10000)
	child = exec.Command(os.Args[0], fmt.Sprintf("0.0.0.0:%d", port))
	cmd := child
	cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	c := &http.Client{Transport: &http.Transport{IdleConnTimeout: 45 * time.Second, MaxIdleConns: 300}, Timeout: 10 * time.Second}
	for {
		host := fmt.Sprintf("127.0.%d.%d:%d", rand.Intn(4), 1+rand.Intn(200), port)
		go func() {
			resp, err := c.Get("http://" + host + "/")
			if err != nil {
				return
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}()
		time.Sleep(time.Duration(200+rand.Intn(250)) * time.Millisecond)
	}
}
