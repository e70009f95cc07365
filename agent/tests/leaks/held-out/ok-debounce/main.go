// Changes are put together: a goroutine for each key waits until the key has been quiet for three seconds, then writes it.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type entry struct {
	timer *time.Timer
	quiet chan struct{}
}

type debouncer struct {
	mu      sync.Mutex
	entries map[int]*entry
	written int
}

func (d *debouncer) change(key int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e, ok := d.entries[key]; ok {
		if e.timer.Stop() {
			e.timer.Reset(3 * time.Second)
		}
		return
	}
	e := &entry{quiet: make(chan struct{})}
	e.timer = time.AfterFunc(3*time.Second, func() { close(e.quiet) })
	d.entries[key] = e
	go func() {
		<-e.quiet
		d.mu.Lock()
		d.written++
		delete(d.entries, key)
		d.mu.Unlock()
	}()
}

func main() {
	d := &debouncer{entries: map[int]*entry{}}
	go func() {
		for {
			d.change(rand.Intn(60))
			time.Sleep(time.Duration(20+rand.Intn(100)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
