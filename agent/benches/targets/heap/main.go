// Benchmark target: a heap of a size, a third of which can hold pointers, goroutines that wait, and a ticker of a millisecond.
//
// Arguments: MB, and a number of goroutines, each some calls deep. Prints "ready PID"; from then on, for each line of its input, how late the ticks since the last one were: the median,
// the 99th percentile and the longest, in ns.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"sync"
	"time"
)

type node struct {
	next  *node
	value []byte
	other [3]*node
}

var (
	nodes []*node
	lock  sync.Mutex
	late  []int
)

func fill(bytes int) {
	const each = 64 + 128 + 8
	nodes = make([]*node, bytes/each)
	for i := range nodes {
		n := &node{value: make([]byte, 128)}
		if i > 0 {
			n.next, n.other[i%3] = nodes[i-1], nodes[i*7919%i]
		}
		nodes[i] = n
	}
}

//go:noinline
func wait(depth int, never chan int) int {
	if depth == 0 {
		return <-never
	}
	return wait(depth-1, never) + depth
}

func tick() {
	due := time.Now()
	for {
		due = due.Add(time.Millisecond)
		time.Sleep(time.Until(due))
		now := time.Now()
		lock.Lock()
		late = append(late, int(now.Sub(due)))
		lock.Unlock()
		if now.Sub(due) > time.Millisecond {
			due = now
		}
	}
}

func main() {
	megabytes, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	goroutines, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	fill(megabytes * 1_000_000)
	never := make(chan int)
	for i := 0; i < goroutines; i++ {
		go wait(i%8, never)
	}
	runtime.GC()
	// No collection comes between: it is late itself.
	debug.SetGCPercent(-1)
	late = make([]int, 0, 1<<20)
	fmt.Println("ready", os.Getpid())
	go tick()
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		lock.Lock()
		sort.Ints(late)
		if n := len(late); n > 0 {
			fmt.Println(late[n/2], late[n*99/100], late[n-1])
		} else {
			fmt.Println(0, 0, 0)
		}
		late = late[:0]
		lock.Unlock()
	}
	runtime.KeepAlive(nodes)
	close(never)
}
