// A connection pool as database/sql has it: rows that are not closed keep their connection, and requests queue for the rest.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type conn struct{ id int }

type db struct {
	mu       sync.Mutex
	free     []*conn
	requests []chan *conn
}

type rows struct {
	db *db
	c  *conn
}

func (d *db) take() *conn {
	d.mu.Lock()
	if n := len(d.free); n > 0 {
		c := d.free[n-1]
		d.free = d.free[:n-1]
		d.mu.Unlock()
		return c
	}
	request := make(chan *conn, 1)
	d.requests = append(d.requests, request)
	d.mu.Unlock()
	return <-request // WAITS: request
}

func (d *db) put(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.requests) > 0 {
		d.requests[0] <- c
		d.requests = d.requests[1:]
		return
	}
	d.free = append(d.free, c)
}

func (d *db) query() *rows {
	c := d.take()
	time.Sleep(time.Duration(rand.Intn(30)) * time.Millisecond)
	return &rows{d, c}
}

func (r *rows) close() { r.db.put(r.c) }

var store = &db{}

func handle() {
	r := store.query()
	if rand.Intn(15) == 0 {
		return
	}
	r.close()
}

func main() {
	for i := 0; i < 5; i++ {
		store.free = append(store.free, &conn{i})
	}
	go func() {
		for {
			go handle() // LEAK: request
			time.Sleep(time.Duration(50+rand.Intn(250)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
