// A job every 13 s: 70 map tasks are handed out over ten seconds, each waits with its result for the reducer, which begins only when all
// of them are there.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type partial struct{ key, sum int }

func mapTask(key int, mapped *sync.WaitGroup, out chan<- partial) {
	sum := 0
	for i := 0; i < 5; i++ {
		time.Sleep(time.Duration(rand.Intn(100)) * time.Millisecond)
		sum += rand.Intn(10)
	}
	mapped.Done()
	out <- partial{key, sum}
}

func job() map[int]int {
	const tasks = 70
	out := make(chan partial)
	var mapped sync.WaitGroup
	mapped.Add(tasks)
	for task := 0; task < tasks; task++ {
		go mapTask(task%7, &mapped, out)
		time.Sleep(time.Duration(100+rand.Intn(90)) * time.Millisecond)
	}
	mapped.Wait()
	sums := map[int]int{}
	for task := 0; task < tasks; task++ {
		p := <-out
		sums[p.key] += p.sum
	}
	return sums
}

func main() {
	go func() {
		for {
			next := time.After(13 * time.Second)
			_ = job()
			<-next
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
