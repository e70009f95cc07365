// HTTP server with IdleTimeout 70 s; each short-lived client (child process keeps its connections open) leaves an idle connection. 2/s.
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

func clients(addr string) {
	go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	for {
		go func() {
			c := &http.Client{Transport: &http.Transport{}}
			for i := 0; i < 1+rand.Intn(4); i++ {
				resp, err := c.Get("http://" + addr + "/")
				if err != nil {
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				time.Sleep(time.Duration(rand.Intn(2000)) * time.Millisecond)
			}
		}()
		time.Sleep(time.Duration(300+rand.Intn(400)) * time.Millisecond)
	}
}

var child *exec.Cmd // kept alive, with its stdin pipe

func main() {
	rand.Seed(time.Now().UnixNano())
	if len(os.Args) > 1 {
		clients(os.Args[1])
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	child = exec.Command(os.Args[0], ln.Addr().String())
	cmd := child
	cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	s := &http.Server{IdleTimeout: 70 * time.Second, ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(5+rand.Intn(50)) * time.Millisecond)
		fmt.Fprintln(w, "ok")
	})}
	s.Serve(ln)
}
