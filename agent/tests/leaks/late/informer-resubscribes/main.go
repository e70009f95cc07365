// Controller: every reconcile adds an event handler to the shared informer (meant to be done once). Each listener has two goroutines.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type evt struct{ key string }

type listener struct {
	add  chan evt
	next chan evt
	fn   func(evt)
}

func (l *listener) pop() {
	defer close(l.next)
	var pending []evt
	for {
		var out chan evt
		var head evt
		if len(pending) > 0 {
			out = l.next
			head = pending[0]
		}
		select {
		case out <- head:
			pending = pending[1:]
		case e, ok := <-l.add:
			if !ok {
				return
			}
			pending = append(pending, e)
		}
	}
}

func (l *listener) run() {
	for e := range l.next {
		l.fn(e)
	}
}

type informer struct {
	mu sync.RWMutex
	ls []*listener
}

func (i *informer) addHandler(fn func(evt)) {
	l := &listener{add: make(chan evt), next: make(chan evt), fn: fn}
	i.mu.Lock()
	i.ls = append(i.ls, l)
	i.mu.Unlock()
	go l.run() // LEAK: informer-handlers
	go l.pop() // LEAK: informer-handlers-2
}

func (i *informer) distribute(e evt) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	for _, l := range i.ls {
		l.add <- e
	}
}

type controller struct {
	inf   *informer
	queue chan string
}

func (c *controller) reconcile(key string) {
	c.inf.addHandler(func(e evt) { _ = e.key == key })
	time.Sleep(time.Duration(50+rand.Intn(200)) * time.Millisecond)
}

func (c *controller) worker() {
	for k := range c.queue {
		c.reconcile(k)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	c := &controller{inf: &informer{}, queue: make(chan string, 100)}
	for i := 0; i < 4; i++ {
		go c.worker()
	}
	go func() {
		for {
			c.inf.distribute(evt{"ns/pod"})
			time.Sleep(time.Duration(300+rand.Intn(700)) * time.Millisecond)
		}
	}()
	for {
		c.queue <- "ns/deploy"
		time.Sleep(time.Duration(1500+rand.Intn(2000)) * time.Millisecond)
	}
}
