// app is what is observed in the cluster's pods.
//
//	app leaky     an HTTP server; two requests a second to itself start a goroutine each that nobody ever wakes
//	app innocent  the same, but the goroutines are woken; and as many wait for good reasons
//	app brief     starts 1,000 goroutines, lives for two seconds and ends
//
// /metrics of the servers says how many goroutines there are (app_goroutines), by runtime.NumGoroutine, and how many were started by
// the app's own statements (app_starts_total).
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var starts atomic.Uint64

func main() {
	mode := "innocent"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	if mode == "brief" {
		brief()
		return
	}
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("/metrics", metrics)
	http.HandleFunc("/work", work(mode == "leaky"))
	if mode != "leaky" {
		idle()
	}
	go visit()
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func metrics(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "# TYPE app_goroutines gauge\napp_goroutines %d\n", runtime.NumGoroutine())
	fmt.Fprintf(w, "# TYPE app_starts_total counter\napp_starts_total %d\n", starts.Load())
}

// work answers before its helper is through. Where leaky, it has gone away by then.
//
//go:noinline
func work(leaky bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer := make(chan int)
		starts.Add(1)
		go fetch(answer) // leaks where nobody receives
		if !leaky {
			<-answer
		}
		fmt.Fprintln(w, "done")
	}
}

func fetch(answer chan<- int) {
	time.Sleep(10 * time.Millisecond)
	answer <- 1
}

// idle starts workers that wait for work that seldom comes, as servers do.
func idle() {
	jobs := make(chan func())
	for range 50 {
		starts.Add(1)
		go func() {
			for job := range jobs {
				job()
			}
		}()
	}
	starts.Add(1)
	go func() {
		for range time.Tick(time.Second) {
			jobs <- func() {}
		}
	}()
}

func visit() {
	for range time.Tick(500 * time.Millisecond) {
		answer, err := http.Get("http://127.0.0.1:8080/work")
		if err != nil {
			continue
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}

func brief() {
	end := time.Now().Add(2 * time.Second)
	var done sync.WaitGroup
	for range 1000 {
		done.Add(1)
		go done.Done()
	}
	done.Wait()
	time.Sleep(time.Until(end))
}
