// Config reload each 2 to 3 s (per tenant) builds a new resolver with a refresher that does a loopback request each 4 s; the old one is not stopped.
package main

import (
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

type resolver struct {
	url  string
	last atomic.Value
}

func newResolver(url string) *resolver {
	r := &resolver{url: url}
	r.last.Store("")
	go r.refresh() // LEAK: reload-refresher
	return r
}

func (r *resolver) refresh() {
	for {
		resp, err := http.Get(r.url)
		if err == nil {
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			r.last.Store(string(b))
		}
		time.Sleep(time.Duration(3000+rand.Intn(2000)) * time.Millisecond)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "10.0.0.1") }))
	var cur atomic.Value
	for {
		cur.Store(newResolver("http://" + ln.Addr().String() + "/"))
		time.Sleep(time.Duration(2000+rand.Intn(1000)) * time.Millisecond)
	}
}
