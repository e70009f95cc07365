// Load for an HTTP server: the URLs of the command line, asked by a number of clients that ramps up, holds, drops and bursts. One
// request in thirty has the header X-Report. Clients that leave close their connections.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// wanted is the number of clients at a second of a round of two minutes.
func wanted(second int) int64 {
	switch s := int64(second % 120); {
	case s < 40:
		return 2 + s/2
	case s < 70:
		return 22
	case s < 90:
		return 3
	case s < 100:
		return 45
	default:
		return 10
	}
}

func client(number int64, active *int64, urls []string) {
	transport := &http.Transport{}
	c := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	for {
		if number >= atomic.LoadInt64(active) {
			transport.CloseIdleConnections()
			time.Sleep(200 * time.Millisecond)
			continue
		}
		request, err := http.NewRequest(http.MethodGet, urls[rand.Intn(len(urls))], nil)
		if err != nil {
			panic(err)
		}
		if rand.Intn(30) == 0 {
			request.Header.Set("X-Report", "yes")
		}
		if response, err := c.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
		time.Sleep(time.Duration(200+rand.Intn(1500)) * time.Millisecond)
	}
}

func main() {
	var active int64
	for i := int64(0); i < 45; i++ {
		go client(i, &active, os.Args[1:])
	}
	go func() {
		for second := 0; ; second++ {
			atomic.StoreInt64(&active, wanted(second))
			time.Sleep(time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
