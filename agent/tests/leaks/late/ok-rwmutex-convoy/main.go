// A compaction holds the write lock 18 s each 50 s; readers (10/s) pile up and drain.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type db struct {
	mu sync.RWMutex
	m  map[int]int
}

func (d *db) read(k int) int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	time.Sleep(time.Duration(1+rand.Intn(10)) * time.Millisecond)
	return d.m[k]
}

func (d *db) compact() {
	for {
		time.Sleep(32 * time.Second)
		d.mu.Lock()
		time.Sleep(18 * time.Second)
		d.mu.Unlock()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	d := &db{m: map[int]int{}}
	go d.compact()
	for {
		k := rand.Intn(100)
		go d.read(k)
		time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
	}
}
