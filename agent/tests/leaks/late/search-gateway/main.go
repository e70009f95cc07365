// Search gateway: HTTP handler asks a backend in a goroutine, gives up after 800 ms.
// About one request in ten is slow; its goroutine then sends to a channel nobody reads.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"time"
)

type result struct {
	docs []string
	err  error
}

type backend struct{}

func (backend) query(q string) result {
	d := time.Duration(5+rand.Intn(40)) * time.Millisecond
	if rand.Intn(10) == 0 {
		d = time.Duration(900+rand.Intn(1500)) * time.Millisecond
	}
	time.Sleep(d)
	return result{docs: []string{q + "-1", q + "-2"}}
}

type server struct{ b backend }

func (s *server) search(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 800*time.Millisecond)
	defer cancel()
	ch := make(chan result)
	q := r.URL.Query().Get("q")
	go func() { // LEAK: search-gateway
		ch <- s.b.query(q)
	}()
	select {
	case res := <-ch:
		fmt.Fprintln(w, res.docs)
	case <-ctx.Done():
		http.Error(w, "timeout", http.StatusGatewayTimeout)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &server{}
	mux := http.NewServeMux()
	mux.HandleFunc("/search", s.search)
	go http.Serve(ln, mux)
	url := "http://" + ln.Addr().String() + "/search?q="
	for i := 0; i < 6; i++ {
		go func(id int) {
			for {
				resp, err := http.Get(fmt.Sprintf("%s%d", url, id))
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				time.Sleep(time.Duration(100+rand.Intn(300)) * time.Millisecond)
			}
		}(i)
	}
	select {}
}
