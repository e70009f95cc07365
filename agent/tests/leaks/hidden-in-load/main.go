// Two hundred requests a second of a few milliseconds to a second, all by one go statement and waiting at one line; one in two
// hundred waits for an answer that was dropped.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type query struct {
	shard  int
	answer chan int
}

func shard(in <-chan query) {
	for q := range in {
		q := q
		switch dice := rand.Intn(200); {
		case dice == 0: // the shard moved: nobody answers
		case dice < 20:
			time.AfterFunc(time.Duration(rand.Intn(1000))*time.Millisecond, func() { q.answer <- q.shard })
		default:
			time.AfterFunc(time.Duration(rand.Intn(10))*time.Millisecond, func() { q.answer <- q.shard })
		}
	}
}

func request(shards []chan query) int {
	q := query{rand.Intn(len(shards)), make(chan int)}
	shards[q.shard] <- q
	return <-q.answer // WAITS: request
}

func main() {
	shards := make([]chan query, 4)
	for i := range shards {
		shards[i] = make(chan query)
		go shard(shards[i])
	}
	go func() {
		for range time.Tick(10 * time.Millisecond) {
			go request(shards) // LEAK: request
			go request(shards) // LEAK: second
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
