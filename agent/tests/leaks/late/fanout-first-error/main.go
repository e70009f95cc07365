// Report builder: fan-out over shards, results on an unbuffered channel; the collector returns at the first error.
package main

import (
	"errors"
	"math/rand"
	"time"
)

type shardResult struct {
	shard int
	rows  int
	err   error
}

func queryShard(i int) shardResult {
	time.Sleep(time.Duration(20+rand.Intn(300)) * time.Millisecond)
	if rand.Intn(40) == 0 {
		return shardResult{i, 0, errors.New("shard unavailable")}
	}
	return shardResult{i, rand.Intn(1000), nil}
}

func report(shards int) (int, error) {
	out := make(chan shardResult)
	for i := 0; i < shards; i++ {
		go func(i int) { // LEAK: fanout-first-error
			out <- queryShard(i)
		}(i)
	}
	total := 0
	for i := 0; i < shards; i++ {
		r := <-out
		if r.err != nil {
			return 0, r.err
		}
		total += r.rows
	}
	return total, nil
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for {
		go report(8)
		time.Sleep(time.Duration(700+rand.Intn(900)) * time.Millisecond)
	}
}
