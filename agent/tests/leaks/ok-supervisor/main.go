// Supervised workers crash now and then and are started again, ever later when they crash often.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type worker struct {
	id    int
	input chan int
}

func (w *worker) run(failed chan<- error) {
	defer func() {
		if r := recover(); r != nil {
			failed <- errors.New("worker crashed")
		}
	}()
	for v := range w.input {
		if v%23 == 0 {
			panic(v)
		}
	}
}

func (w *worker) supervise() {
	backoff := 100 * time.Millisecond
	for {
		failed := make(chan error)
		start := time.Now()
		go w.run(failed)
		<-failed
		if time.Since(start) > 5*time.Second {
			backoff = 100 * time.Millisecond
		} else if backoff < 4*time.Second {
			backoff *= 2
		}
		time.Sleep(backoff)
	}
}

func main() {
	for i := 0; i < 10; i++ {
		w := &worker{i, make(chan int)}
		go w.supervise()
		go func() {
			for {
				w.input <- rand.Intn(1000)
				time.Sleep(time.Duration(rand.Intn(200)) * time.Millisecond)
			}
		}()
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
