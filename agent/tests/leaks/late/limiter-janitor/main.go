// Per-IP limiter with a refill goroutine; the LRU evicts limiters without calling Stop.
package main

import (
	"container/list"
	"fmt"
	"math/rand"
	"sync"
	"time"
)

type limiter struct {
	tokens chan struct{}
	stop   chan struct{}
}

func newLimiter(burst int, every time.Duration) *limiter {
	l := &limiter{tokens: make(chan struct{}, burst), stop: make(chan struct{})}
	go func() { // LEAK: limiter-janitor
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				select {
				case l.tokens <- struct{}{}:
				default:
				}
			case <-l.stop:
				return
			}
		}
	}()
	return l
}

func (l *limiter) Stop() { close(l.stop) }
func (l *limiter) allow() bool {
	select {
	case <-l.tokens:
		return true
	default:
		return false
	}
}

type lru struct {
	mu sync.Mutex
	m  map[string]*list.Element
	l  *list.List
}
type entry struct {
	k string
	v *limiter
}

func (c *lru) get(k string) *limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.m[k]; ok {
		c.l.MoveToFront(e)
		return e.Value.(*entry).v
	}
	lim := newLimiter(5, time.Second)
	c.m[k] = c.l.PushFront(&entry{k, lim})
	if c.l.Len() > 50 {
		b := c.l.Back()
		c.l.Remove(b)
		delete(c.m, b.Value.(*entry).k)
	}
	return lim
}

func main() {
	rand.Seed(time.Now().UnixNano())
	c := &lru{m: map[string]*list.Element{}, l: list.New()}
	next := 0
	for {
		ip := fmt.Sprint(rand.Intn(30))
		if rand.Intn(12) == 0 {
			next++
			ip = fmt.Sprint("scan", next)
		}
		c.get(ip).allow()
		time.Sleep(time.Duration(20+rand.Intn(40)) * time.Millisecond)
	}
}
