// LEAK-FUNCTION: stream net/http.(*Server).Serve
// SSE endpoint that waits for events of a topic and ignores r.Context(); clients that leave while the topic is silent keep
// their handler. Short API requests share the server with no keep-alive.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"sync"
	"time"
)

type hub struct {
	mu   sync.Mutex
	subs map[string][]chan string
}

func (h *hub) sub(t string) chan string {
	c := make(chan string, 4)
	h.mu.Lock()
	h.subs[t] = append(h.subs[t], c)
	h.mu.Unlock()
	return c
}

func (h *hub) events(w http.ResponseWriter, r *http.Request) {
	c := h.sub(r.URL.Query().Get("topic"))
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(200)
	w.(http.Flusher).Flush()
	for e := range c {
		if _, err := fmt.Fprintf(w, "data: %s\n\n", e); err != nil {
			return
		}
		w.(http.Flusher).Flush()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	h := &hub{subs: map[string][]chan string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/events", h.events)
	mux.HandleFunc("/api", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(5+rand.Intn(100)) * time.Millisecond)
		fmt.Fprintln(w, "ok")
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(ln, mux)
	base := "http://" + ln.Addr().String()
	tr := &http.Transport{DisableKeepAlives: true}
	cl := &http.Client{Transport: tr}
	for i := 0; i < 3; i++ {
		go func() {
			for {
				if resp, err := cl.Get(base + "/api"); err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				time.Sleep(time.Duration(50+rand.Intn(150)) * time.Millisecond)
			}
		}()
	}
	for i := 0; ; i++ {
		go func(i int) {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				return
			}
			defer c.Close()
			fmt.Fprintf(c, "GET /events?topic=room-%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
			bufio.NewReader(c).ReadString('\n')
			time.Sleep(time.Duration(1000+rand.Intn(4000)) * time.Millisecond)
		}(i)
		time.Sleep(time.Duration(700+rand.Intn(800)) * time.Millisecond)
	}
}
