// Game server: matches of 2 to 5 min with a 500 ms tick; one match starts each 2 s, at most 120 at once.
package main

import (
	"math/rand"
	"time"
)

type match struct {
	id     int
	frames int
	in     chan int
}

func (m *match) run(slots chan struct{}) {
	defer func() { <-slots }()
	end := time.NewTimer(time.Duration(120+rand.Intn(180)) * time.Second)
	defer end.Stop()
	t := time.NewTicker(500 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			m.frames++
		case <-m.in:
		case <-end.C:
			return
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	slots := make(chan struct{}, 120)
	for id := 0; ; id++ {
		slots <- struct{}{}
		m := &match{id: id, in: make(chan int)}
		go m.run(slots)
		time.Sleep(2 * time.Second)
	}
}
