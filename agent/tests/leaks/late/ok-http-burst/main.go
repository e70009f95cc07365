// HTTP service with bursts of slow requests each 20 s above a small base load.
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
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/report", func(w http.ResponseWriter, r *http.Request) {
		res := make(chan string, 1)
		go func() {
			time.Sleep(time.Duration(500+rand.Intn(8000)) * time.Millisecond)
			res <- "done"
		}()
		select {
		case s := <-res:
			fmt.Fprintln(w, s)
		case <-r.Context().Done():
		}
	})
	go http.Serve(ln, mux)
	url := "http://" + ln.Addr().String() + "/report"
	get := func() {
		resp, err := http.Get(url)
		if err != nil {
			return
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	go func() {
		for {
			go get()
			time.Sleep(time.Duration(300+rand.Intn(500)) * time.Millisecond)
		}
	}()
	for {
		time.Sleep(20 * time.Second)
		for i := 0; i < 120; i++ {
			go get()
			time.Sleep(10 * time.Millisecond)
		}
	}
}
