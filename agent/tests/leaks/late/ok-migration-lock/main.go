// A schema migration holds the table's mutex for 45 s (from second 25 of each 110 s); writers (4/s) wait, then drain.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type table struct {
	mu   sync.Mutex
	rows int
}

func (t *table) insert() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows++
	time.Sleep(time.Millisecond)
}

func (t *table) migrate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := 0; i < 450; i++ {
		time.Sleep(100 * time.Millisecond)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	t := &table{}
	go func() {
		for {
			time.Sleep(25 * time.Second)
			t.migrate()
			time.Sleep(40 * time.Second)
		}
	}()
	for {
		go t.insert()
		time.Sleep(time.Duration(150+rand.Intn(200)) * time.Millisecond)
	}
}
