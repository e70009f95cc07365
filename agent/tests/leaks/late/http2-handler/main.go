// LEAK-FUNCTION: handler net/http/internal/http2.(*serverConn).scheduleHandler
// LEAK-FUNCTION: handler net/http.(*http2serverConn).scheduleHandler
// LEAK-FUNCTION: handler net/http.(*http2serverConn).processHeaders
// LEAK-FUNCTION: handler net/http/internal/http2.(*serverConn).processHeaders
// HTTP/2 (TLS) watch endpoint: the handler waits for the next revision and ignores r.Context(); clients cancel after 1 s.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"time"
)

func main() {
	rand.Seed(time.Now().UnixNano())
	rev := map[int]chan int{}
	_ = rev
	mux := http.NewServeMux()
	mux.HandleFunc("/watch", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		next := make(chan int)
		fmt.Fprintln(w, <-next)
	})
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(5+rand.Intn(100)) * time.Millisecond)
		fmt.Fprintln(w, "v")
	})
	s := httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.StartTLS()
	newClient := func() *http.Client {
		tr := s.Client().Transport.(*http.Transport).Clone()
		return &http.Client{Transport: tr}
	}
	get := newClient()
	for i := 0; i < 3; i++ {
		go func() {
			for {
				if resp, err := get.Get(s.URL + "/get"); err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				time.Sleep(time.Duration(50+rand.Intn(200)) * time.Millisecond)
			}
		}()
	}
	for i := 0; ; i++ {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			c := newClient()
			req, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/watch", nil)
			if resp, err := c.Do(req); err == nil {
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			c.CloseIdleConnections()
		}()
		time.Sleep(time.Duration(1000+rand.Intn(1000)) * time.Millisecond)
	}
}
