// Target program that never is what it was a moment ago. Arguments: what it does, and how many goroutines.
//
// grow: batches of so many goroutines that begin, recurse until their stacks have grown, wait at the bottom and end, while the next batch
// begins. exec: so many goroutines that wait; then it executes itself, again and again. spawn: starts one process after the other, each
// of which (short) starts so many goroutines and ends.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	arrived int64
	sink    int
)

//go:noinline
func deep(depth int, gate chan struct{}) int {
	var frame [16]int
	if depth <= 1 {
		atomic.AddInt64(&arrived, 1)
		<-gate
		return frame[len(os.Args)]
	}
	frame[depth%16] = deep(depth-1, gate)
	return frame[(depth*5)%16] + 1
}

func shallow(gate chan struct{}, ended *sync.WaitGroup) { deep(4, gate); ended.Done() }
func middle(gate chan struct{}, ended *sync.WaitGroup)  { deep(40, gate); ended.Done() }
func deepest(gate chan struct{}, ended *sync.WaitGroup) { deep(300, gate); ended.Done() }

// start starts a batch.
func start(count int) (chan struct{}, *sync.WaitGroup) {
	gate, ended := make(chan struct{}), new(sync.WaitGroup)
	ended.Add(count)
	for i := 0; i < count; i++ {
		switch i % 8 {
		case 0:
			go deepest(gate, ended)
		case 1, 2:
			go middle(gate, ended)
		default:
			go shallow(gate, ended)
		}
	}
	return gate, ended
}

func grow(count int) {
	var before *sync.WaitGroup
	for batch := 1; ; batch++ {
		due := atomic.LoadInt64(&arrived) + int64(count)
		gate, ended := start(count)
		if before != nil {
			before.Wait() // so that there are never more than two batches
		}
		for atomic.LoadInt64(&arrived) < due {
			runtime.Gosched()
		}
		if batch%4 == 0 {
			runtime.GC() // shrinks stacks
		}
		close(gate)
		before = ended
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(4)
	runtime.LockOSThread() // so that children are those of the first thread
	if os.Getenv("AGAIN") == "" && os.Args[1] != "short" {
		fmt.Println("ready", os.Getpid())
	}
	switch os.Args[1] {
	case "grow":
		grow(count)
	case "exec":
		start(count)
		time.Sleep(120 * time.Millisecond) // some readings are over by then, and some are not
		panic(syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), "AGAIN=1")))
	case "spawn":
		for {
			child := exec.Command("/proc/self/exe", "short", os.Args[2])
			if err := child.Start(); err != nil {
				panic(err)
			}
			if err := child.Wait(); err != nil {
				panic(err)
			}
		}
	case "short":
		start(count)
		time.Sleep(60 * time.Millisecond)
	}
}
