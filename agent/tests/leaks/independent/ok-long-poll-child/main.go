// Thirty clients in another process, which start within 24 s, long-poll an HTTP server: each request is held until there is news for its
// channel or 15 s are over.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

func poll(address string, id int) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}
	for {
		response, err := client.Get(fmt.Sprintf("http://%s/?channel=%d", address, id%10))
		if err != nil {
			time.Sleep(time.Second)
			continue
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}

func clients(address string) {
	go func() {
		for id := 0; id < 30; id++ {
			go poll(address, id)
			time.Sleep(800 * time.Millisecond)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

type news struct {
	mu       sync.Mutex
	channels map[string]chan struct{}
}

func (n *news) next(channel string) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.channels[channel] == nil {
		n.channels[channel] = make(chan struct{})
	}
	return n.channels[channel]
}

func (n *news) publish(channel string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.channels[channel] != nil {
		close(n.channels[channel])
		n.channels[channel] = nil
	}
}

func (n *news) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-n.next(r.URL.Query().Get("channel")):
		_, _ = io.WriteString(w, "news")
	case <-time.After(15 * time.Second):
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done():
	}
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
	n := &news{channels: map[string]chan struct{}{}}
	go func() { _ = http.Serve(listener, n) }()
	go func() {
		for {
			time.Sleep(time.Duration(1500+rand.Intn(1500)) * time.Millisecond)
			n.publish(fmt.Sprint(rand.Intn(6)))
		}
	}()
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	child := exec.Command(program, "clients", listener.Addr().String())
	input, _ = child.StdinPipe()
	if err := child.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
