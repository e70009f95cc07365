// LEAK-FUNCTION: expiry time.goFunc
// Lease manager: a time.AfterFunc per lease reports its expiry to an unbuffered channel; releasing a lease ends its watcher
// but doesn't stop the timer.
package main

import (
	"math/rand"
	"time"
)

type lease struct {
	id      int
	expired chan int
	done    chan struct{}
}

func acquire(id int, ttl time.Duration) *lease {
	l := &lease{id: id, expired: make(chan int), done: make(chan struct{})}
	time.AfterFunc(ttl, func() {
		l.expired <- l.id
	})
	return l
}

func (l *lease) watch() {
	select {
	case <-l.expired:
	case <-l.done:
	}
}

func use(id int) {
	l := acquire(id, 3*time.Second)
	go l.watch()
	d := time.Duration(100+rand.Intn(1500)) * time.Millisecond
	if rand.Intn(4) == 0 {
		d = 3500 * time.Millisecond
	}
	time.Sleep(d)
	close(l.done)
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for i := 0; ; i++ {
		go use(i)
		time.Sleep(time.Duration(400+rand.Intn(800)) * time.Millisecond)
	}
}
