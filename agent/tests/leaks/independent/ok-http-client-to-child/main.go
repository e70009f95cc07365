// An HTTP client of a server in another process. Its load grows for 25 s to 35 requests at once and stays; the transport keeps as many
// connections, with two goroutines each.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	handler := func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Duration(100+rand.Intn(400)) * time.Millisecond)
		_, _ = io.WriteString(w, "answer\n")
	}
	go func() { _ = http.Serve(listener, http.HandlerFunc(handler)) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func get(client *http.Client, url string, places <-chan struct{}) {
	defer func() { <-places }()
	response, err := client.Get(url)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

func main() {
	if len(os.Args) > 1 {
		serve()
		return
	}
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	child := exec.Command(program, "serve")
	input, _ = child.StdinPipe()
	output, _ := child.StdoutPipe()
	if err := child.Start(); err != nil {
		panic(err)
	}
	address, _ := bufio.NewReader(output).ReadString('\n')
	url := "http://" + strings.TrimSpace(address) + "/"
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: 60, MaxIdleConnsPerHost: 60, IdleConnTimeout: 90 * time.Second}}
	places := make(chan struct{}, 35)
	start := time.Now()
	go func() {
		for {
			wanted := int(35 * time.Since(start) / (25 * time.Second))
			if wanted < 1 {
				wanted = 1
			}
			if len(places) < wanted && len(places) < cap(places) {
				places <- struct{}{}
				go get(client, url, places)
			} else {
				time.Sleep(10 * time.Millisecond)
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
