// A handler gives up after its timeout; the goroutine that does the work then sends to a channel that nobody receives from.
// A tenth of the requests is slow.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

var errTimeout = errors.New("request timed out")

type response struct{ body []byte }

func fetch() *response {
	if rand.Intn(10) == 0 {
		time.Sleep(180 * time.Millisecond)
	} else {
		time.Sleep(time.Duration(5+rand.Intn(20)) * time.Millisecond)
	}
	return &response{make([]byte, 512)}
}

func finishRequest(timeout time.Duration, fn func() *response) (*response, error) {
	ch := make(chan *response)
	go func() { // LEAK: sender
		result := fn()
		ch <- result // WAITS: sender
	}()
	select {
	case result := <-ch:
		return result, nil
	case <-time.After(timeout):
		return nil, errTimeout
	}
}

func main() {
	for client := 0; client < 4; client++ {
		go func() {
			for {
				_, _ = finishRequest(100*time.Millisecond, fetch)
				time.Sleep(time.Duration(200+rand.Intn(400)) * time.Millisecond)
			}
		}()
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
