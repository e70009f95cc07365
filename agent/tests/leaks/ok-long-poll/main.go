// Long polling over HTTP: clients ask for what is newer than they have, and wait up to ten seconds for it. Their number doubles
// after fifteen seconds and halves again later.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

type hub struct {
	mu      sync.Mutex
	changed chan struct{}
	version int
}

func (h *hub) publish() {
	h.mu.Lock()
	h.version++
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	changed := h.changed
	h.mu.Unlock()
	select {
	case <-changed:
	case <-r.Context().Done():
	case <-time.After(10 * time.Second):
		w.WriteHeader(http.StatusNoContent)
	}
}

var wanted int64 = 10

func client(i int64, url string) {
	c := &http.Client{Transport: &http.Transport{}}
	for {
		if i >= atomic.LoadInt64(&wanted) {
			c.CloseIdleConnections()
			time.Sleep(time.Second)
			continue
		}
		if response, err := c.Get(url); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	}
}

func main() {
	h := &hub{changed: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = http.Serve(listener, h) }()
	for i := int64(0); i < 20; i++ {
		go client(i, "http://"+listener.Addr().String())
	}
	go func() {
		for {
			time.Sleep(time.Duration(2000+rand.Intn(11000)) * time.Millisecond)
			h.publish()
		}
	}()
	go func() {
		for {
			time.Sleep(15 * time.Second)
			atomic.StoreInt64(&wanted, 20)
			time.Sleep(15 * time.Second)
			atomic.StoreInt64(&wanted, 10)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
