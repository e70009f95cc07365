// Feature flags: watchers on an optional change channel; with polling mode the channel is nil, and the stop channel is only
// closed for named flags.
package main

import (
	"math/rand"
	"time"
)

type flag struct {
	name    string
	changed chan bool
	stop    chan struct{}
}

func watch(f *flag, apply func(bool)) {
	for {
		select {
		case v := <-f.changed:
			apply(v)
		case <-f.stop:
			return
		}
	}
}

func session(name string, polling bool) {
	f := &flag{name: name, stop: make(chan struct{})}
	if !polling {
		f.changed = make(chan bool)
	}
	go watch(f, func(bool) {}) // LEAK: nil-chan-reload
	for i := 0; i < 5; i++ {
		if f.changed != nil {
			f.changed <- rand.Intn(2) == 0
		}
		time.Sleep(time.Duration(100+rand.Intn(300)) * time.Millisecond)
	}
	if f.name != "" {
		close(f.stop)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for i := 0; ; i++ {
		name := "f"
		if rand.Intn(5) == 0 {
			name = ""
		}
		go session(name, i%2 == 0)
		time.Sleep(time.Duration(100+rand.Intn(200)) * time.Millisecond)
	}
}
