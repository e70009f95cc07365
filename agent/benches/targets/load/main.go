// Puts load on an HTTP service: load ADDRESS RATE DURATION. RATE is requests a second at fixed times, however long the answers take
// (0: as many as eight connections carry). Prints requests, failures, and latency p50 and p99 in microseconds.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

const connections = 8

var (
	client = http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	lock   sync.Mutex
	took   []time.Duration
	failed int
)

func main() {
	if len(os.Args) != 4 {
		fail("usage: load ADDRESS RATE DURATION")
	}
	rate, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fail(err.Error())
	}
	length, err := time.ParseDuration(os.Args[3])
	if err != nil {
		fail(err.Error())
	}
	url := "http://" + os.Args[1] + "/"
	if rate > 0 {
		fixed(url, time.Second/time.Duration(rate), length)
	} else {
		full(url, length)
	}
	slices.Sort(took)
	if len(took) == 0 {
		fail("no request was answered")
	}
	fmt.Println(len(took), failed, took[len(took)/2].Microseconds(), took[len(took)*99/100].Microseconds())
}

// fixed sends each request at its own time: a slow answer delays no other.
func fixed(url string, gap, length time.Duration) {
	var wait sync.WaitGroup
	start := time.Now()
	for due := time.Duration(0); due < length; due += gap {
		time.Sleep(time.Until(start.Add(due)))
		wait.Add(1)
		go func() {
			defer wait.Done()
			get(url, start.Add(due))
		}()
	}
	wait.Wait()
}

func full(url string, length time.Duration) {
	var wait sync.WaitGroup
	end := time.Now().Add(length)
	for range connections {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for now := time.Now(); now.Before(end); now = time.Now() {
				get(url, now)
			}
		}()
	}
	wait.Wait()
}

func get(url string, start time.Time) {
	response, err := client.Get(url)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	lock.Lock()
	defer lock.Unlock()
	if err != nil || response.StatusCode != http.StatusOK {
		failed++
		return
	}
	took = append(took, time.Since(start))
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "load:", why)
	os.Exit(2)
}
