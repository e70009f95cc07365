// Config loader with a hand-made singleflight: when the loader panics (recovered), the call is never finished;
// all later callers of the key wait on its WaitGroup.
package main

import (
	"fmt"
	"math/rand"
	"sync"
	"time"
)

type call struct {
	wg  sync.WaitGroup
	val string
}

type flight struct {
	mu sync.Mutex
	m  map[string]*call
}

func (f *flight) do(key string, fn func() string) string {
	f.mu.Lock()
	if c, ok := f.m[key]; ok {
		f.mu.Unlock()
		c.wg.Wait()
		return c.val
	}
	c := &call{}
	c.wg.Add(1)
	f.m[key] = c
	f.mu.Unlock()
	c.val = fn()
	c.wg.Done()
	f.mu.Lock()
	delete(f.m, key)
	f.mu.Unlock()
	return c.val
}

func load(key string) string {
	time.Sleep(time.Duration(5+rand.Intn(60)) * time.Millisecond)
	if rand.Intn(2000) == 0 || key == "cfg-7" {
		panic("bad yaml in " + key)
	}
	return "value of " + key
}

func handle(f *flight, key string) {
	defer func() { _ = recover() }()
	_ = f.do(key, func() string { return load(key) })
}

func main() {
	rand.Seed(time.Now().UnixNano())
	f := &flight{m: map[string]*call{}}
	for {
		key := fmt.Sprintf("cfg-%d", rand.Intn(40))
		go handle(f, key) // LEAK: singleflight-hang
		time.Sleep(time.Duration(20+rand.Intn(40)) * time.Millisecond)
	}
}
