// One goroutine for each shard, started when its first key comes. There are 32 shards; popular ones come first, and once all are
// there, no more start. Some get a message in minutes only.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type shard struct {
	inbox chan string
	keys  map[string]int
}

func (s *shard) run() {
	for key := range s.inbox {
		s.keys[key]++
	}
}

type router struct {
	mu     sync.Mutex
	shards [32]*shard
}

var shards router

func (r *router) route(n int, key string) {
	r.mu.Lock()
	s := r.shards[n]
	if s == nil {
		s = &shard{make(chan string, 8), map[string]int{}}
		r.shards[n] = s
		go s.run()
	}
	r.mu.Unlock()
	s.inbox <- key
}

func main() {
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			shards.route(int(32*rand.Float64()*rand.Float64()), "key")
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
