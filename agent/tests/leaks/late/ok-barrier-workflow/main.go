// Workflow engine: activities of a workflow wait (channel) until a human-like approval comes 20 to 50 s later; 1 workflow/2 s with 4 activities.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type workflow struct {
	approved chan struct{}
	wg       sync.WaitGroup
}

func (w *workflow) activity() {
	defer w.wg.Done()
	<-w.approved
	time.Sleep(time.Duration(100+rand.Intn(500)) * time.Millisecond)
}

func run() {
	w := &workflow{approved: make(chan struct{})}
	for i := 0; i < 4; i++ {
		w.wg.Add(1)
		go w.activity()
	}
	time.AfterFunc(time.Duration(20+rand.Intn(30))*time.Second, func() { close(w.approved) })
	w.wg.Wait()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for {
		go run()
		time.Sleep(time.Duration(1500+rand.Intn(1000)) * time.Millisecond)
	}
}
