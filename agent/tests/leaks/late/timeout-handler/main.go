// LEAK-FUNCTION: handler net/http.(*timeoutHandler).ServeHTTP
// Export endpoint behind http.TimeoutHandler: the handler ignores its context and waits for a worker slot that's lost.
package main

import (
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"time"
)

func main() {
	rand.Seed(time.Now().UnixNano())
	ready := make(chan string) // exports for legacy tenants have no producer
	mux := http.NewServeMux()
	mux.HandleFunc("/export", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("legacy") == "1" {
			fmt.Fprintln(w, <-ready)
			return
		}
		time.Sleep(time.Duration(10+rand.Intn(600)) * time.Millisecond)
		fmt.Fprintln(w, "csv")
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(ln, http.TimeoutHandler(mux, 2*time.Second, "timeout"))
	for i := 0; i < 6; i++ {
		go func() {
			for {
				l := 0
				if rand.Intn(15) == 0 {
					l = 1
				}
				resp, err := http.Get(fmt.Sprintf("http://%s/export?legacy=%d", ln.Addr(), l))
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				time.Sleep(time.Duration(100+rand.Intn(400)) * time.Millisecond)
			}
		}()
	}
	select {}
}
