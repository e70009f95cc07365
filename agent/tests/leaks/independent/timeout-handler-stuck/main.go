// http.TimeoutHandler answers for a handler that is late. The handler that waits for a render farm, which takes no such jobs, goes on
// waiting.
// LEAK-FUNCTION: handler net/http.(*timeoutHandler).ServeHTTP
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"time"
)

type farm struct{ jobs map[string]chan chan string }

func (f *farm) work(kind string) {
	for answer := range f.jobs[kind] {
		time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
		answer <- kind
	}
}

func (f *farm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := make(chan string, 1)
	f.jobs[r.URL.Query().Get("kind")] <- answer // WAITS: handler
	_, _ = io.WriteString(w, <-answer)
}

func main() {
	f := &farm{map[string]chan chan string{"image": make(chan chan string), "text": make(chan chan string), "video": make(chan chan string)}}
	go f.work("image")
	go f.work("text")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = http.Serve(listener, http.TimeoutHandler(f, 300*time.Millisecond, "late")) }()
	kinds := []string{"image", "text", "image", "video", "text"}
	go func() {
		for n := 0; ; n++ {
			response, err := http.Get("http://" + listener.Addr().String() + "/?kind=" + kinds[n%len(kinds)])
			if err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
			time.Sleep(time.Duration(100+rand.Intn(100)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
