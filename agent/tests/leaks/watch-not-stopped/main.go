// A watch, as clients of Kubernetes have it: whoever stops reading must call Stop. This caller returns at the event it wanted.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type event struct{ object, kind string }

type watcher struct {
	result chan event
	stop   chan struct{}
	once   sync.Once
}

func (w *watcher) Stop() { w.once.Do(func() { close(w.stop) }) }

func (w *watcher) receive() {
	defer close(w.result)
	for {
		time.Sleep(time.Duration(20+rand.Intn(60)) * time.Millisecond)
		kind := "MODIFIED"
		if rand.Intn(5) == 0 {
			kind = "READY"
		}
		select { // WAITS: watch
		case w.result <- event{"pod", kind}:
		case <-w.stop:
			return
		}
	}
}

func watch() *watcher {
	w := &watcher{result: make(chan event), stop: make(chan struct{})}
	go w.receive() // LEAK: watch
	return w
}

func waitReady(careful bool) {
	w := watch()
	if careful {
		defer w.Stop()
	}
	for e := range w.result {
		if e.kind == "READY" {
			return
		}
	}
}

func main() {
	for i := 0; i < 3; i++ {
		go func() {
			for n := 0; ; n++ {
				waitReady(n%5 != 0)
				time.Sleep(time.Duration(rand.Intn(500)) * time.Millisecond)
			}
		}()
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
