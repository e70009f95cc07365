// Every seven seconds a batch of thirty tasks. One of them fails and nobody drains the rest: they leak in steps, not one by one.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type outcome struct {
	task int
	err  error
}

func task(i int) outcome {
	time.Sleep(time.Duration(rand.Intn(1500)) * time.Millisecond)
	if i == 20 {
		return outcome{i, errors.New("no space left on device")}
	}
	return outcome{i, nil}
}

func batch(n int) error {
	outcomes := make(chan outcome)
	for i := 0; i < n; i++ {
		i := i
		go func() { // LEAK: task
			outcomes <- task(i) // WAITS: task
		}()
	}
	for i := 0; i < n; i++ {
		if o := <-outcomes; o.err != nil {
			return o.err
		}
	}
	return nil
}

func main() {
	go func() {
		for {
			_ = batch(30)
			time.Sleep(5500 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
