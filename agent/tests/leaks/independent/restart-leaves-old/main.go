// A supervisor restarts a worker that has not reported for a while. The old one is not dead: it waits on its old mailbox, which nobody
// has any more. Of twelve workers one is often late.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type worker struct {
	id      int
	mailbox chan int
	alive   chan int
}

func (w *worker) run() {
	for task := range w.mailbox { // WAITS: worker
		delay := time.Duration(20+rand.Intn(60)) * time.Millisecond
		if w.id == 5 && task%3 == 0 {
			delay = 1200 * time.Millisecond
		}
		time.Sleep(delay)
		select {
		case w.alive <- task:
		default:
		}
	}
}

func launch(id int) *worker {
	w := &worker{id, make(chan int, 1), make(chan int, 1)}
	go w.run() // LEAK: worker
	return w
}

func supervise(id int) {
	w := launch(id)
	for task := 1; ; task++ {
		w.mailbox <- task
		select {
		case <-w.alive:
		case <-time.After(800 * time.Millisecond):
			w = launch(id)
		}
		time.Sleep(time.Duration(100+rand.Intn(200)) * time.Millisecond)
	}
}

func main() {
	for id := 0; id < 12; id++ {
		go supervise(id)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
