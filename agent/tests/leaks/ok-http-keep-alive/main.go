// An HTTP server, and clients that keep connections alive; how many requests run at once goes up and down.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

func handle(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(time.Duration(rand.Intn(150)) * time.Millisecond)
	_, _ = io.WriteString(w, "hello")
}

func round(client *http.Client, url string, parallel int) {
	var wg sync.WaitGroup
	for i := 0; i < parallel; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if response, err := client.Get(url); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		}()
	}
	wg.Wait()
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(handle), IdleTimeout: 9 * time.Second}
	go func() { _ = server.Serve(listener) }()
	url := "http://" + listener.Addr().String()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 7 * time.Second}}
	go func() {
		for {
			round(client, url, 1+rand.Intn(24))
			time.Sleep(time.Duration(300+rand.Intn(2500)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
