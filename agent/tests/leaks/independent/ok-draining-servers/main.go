// An HTTP server is replaced every six seconds. The old one drains: it goes on with the requests it has, of which some take 12 s.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

func handle(w http.ResponseWriter, r *http.Request) {
	takes := time.Duration(rand.Intn(200)) * time.Millisecond
	if r.URL.Path == "/export" {
		takes = time.Duration(3000+rand.Intn(9000)) * time.Millisecond
	}
	select {
	case <-time.After(takes):
		_, _ = io.WriteString(w, "done")
	case <-r.Context().Done():
	}
}

func drain(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
}

func get(client *http.Client, address, path string) {
	response, err := client.Get("http://" + address + path)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
}

func main() {
	var current atomic.Value
	started := make(chan struct{})
	go func() {
		var old *http.Server
		for n := 0; ; n++ {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				panic(err)
			}
			server := &http.Server{Handler: http.HandlerFunc(handle)}
			go func() { _ = server.Serve(listener) }()
			current.Store(listener.Addr().String())
			if old != nil {
				go drain(old)
			} else {
				close(started)
			}
			old = server
			time.Sleep(6 * time.Second)
		}
	}()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{IdleConnTimeout: 3 * time.Second, MaxIdleConnsPerHost: 4}}
	go func() {
		<-started
		for n := 0; ; n++ {
			path := "/"
			if n%4 == 0 {
				path = "/export"
			}
			go get(client, current.Load().(string), path)
			time.Sleep(time.Duration(50+rand.Intn(150)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
