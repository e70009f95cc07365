// A small HTTP service for benchmarks: a request makes 20 map writes and two goroutines. Prints "ready ADDRESS", then each 100 ms
// nanoseconds of wall clock, of CPU time, requests, goroutines ever started; ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var requests atomic.Uint64

func handle(w http.ResponseWriter, _ *http.Request) {
	words := make(map[uint32]int, 20)
	for i := range uint32(20) {
		words[i] = int(i)
	}
	var wait sync.WaitGroup
	var sums [2]int
	for half := range sums {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for word := range words {
				if int(word)%2 == half {
					sums[half] += words[word]
				}
			}
		}()
	}
	wait.Wait()
	fmt.Fprintln(w, sums[0], sums[1])
	requests.Add(1)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(2)
	}
	runtime.GC()
	fmt.Println("ready", listener.Addr())
	go report()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, "serve:", http.Serve(listener, http.HandlerFunc(handle)))
	os.Exit(2)
}

func report() {
	start := time.Now()
	for range time.Tick(100 * time.Millisecond) {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			os.Exit(2)
		}
		fmt.Println(int64(time.Since(start)), usage.Utime.Nano()+usage.Stime.Nano(), requests.Load(), started())
	}
}

// started is the runtime's own count of goroutines ever started, -1 before Go 1.26.
func started() int64 {
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return -1
	}
	return int64(sample[0].Value.Uint64())
}
