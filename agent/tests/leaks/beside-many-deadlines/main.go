// Whoever asked has gone and does not take the answer, beside ten thousand tokens, each with a deadline of its own, and all of them under the
// context of the whole service, which leads to every other.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

type token struct {
	ctx    context.Context
	cancel func()
}

var tokens []token

func issue(service context.Context) {
	ctx, cancel := context.WithTimeout(service, 10*time.Minute)
	tokens = append(tokens, token{ctx, cancel})
}

// Waits until the youngest token is good for nothing: for ten minutes.
func expire() {
	<-tokens[len(tokens)-1].ctx.Done()
}

func ask(answer chan<- string) {
	go func() { // LEAK: answer
		answer <- "42" // WAITS: answer
	}()
}

func main() {
	service, stop := context.WithCancel(context.Background())
	defer stop()
	for i := 0; i < 10_000; i++ {
		issue(service)
	}
	nobody := make(chan string)
	go func() {
		for {
			issue(service)
			go expire()
			ask(nobody)
			time.Sleep(200 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Fprintln(os.Stderr, len(nobody))
}
