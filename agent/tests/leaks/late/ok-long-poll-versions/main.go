// Long poll: 60 clients, each request is held for up to 30 s or until an event for its channel. Client population grows in the first minute.
package main

import (
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"sync"
	"time"
)

type topics struct {
	mu sync.Mutex
	w  map[string][]chan string
}

func (t *topics) wait(k string) chan string {
	c := make(chan string, 1)
	t.mu.Lock()
	t.w[k] = append(t.w[k], c)
	t.mu.Unlock()
	return c
}
func (t *topics) fire(k, v string) {
	t.mu.Lock()
	l := t.w[k]
	delete(t.w, k)
	t.mu.Unlock()
	for _, c := range l {
		c <- v
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	t := &topics{w: map[string][]chan string{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/poll", func(w http.ResponseWriter, r *http.Request) {
		select {
		case v := <-t.wait(r.URL.Query().Get("k")):
			fmt.Fprintln(w, v)
		case <-time.After(30 * time.Second):
			w.WriteHeader(204)
		case <-r.Context().Done():
		}
	})
	go http.Serve(ln, mux)
	go func() {
		for {
			time.Sleep(time.Duration(1+rand.Intn(4)) * time.Second)
			t.fire(fmt.Sprint(rand.Intn(20)), "event")
		}
	}()
	for i := 0; i < 60; i++ {
		k := fmt.Sprint(i % 20)
		go func() {
			tr := &http.Transport{}
			c := &http.Client{Transport: tr, Timeout: 45 * time.Second}
			for {
				resp, err := c.Get("http://" + ln.Addr().String() + "/poll?k=" + k)
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}
		}()
		time.Sleep(time.Second)
	}
	select {}
}
