// Target program whose goroutines are blocked since known times. "block" starts three that wait for ever on one channel, "gc" collects
// garbage; both answer when that is done, "block" when all three wait. One more goroutine runs every 20 ms, from the start on.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

var (
	forever = make(chan struct{})
	blocked int32
)

func wait() {
	atomic.AddInt32(&blocked, 1)
	<-forever
}

func block() {
	for i := 0; i < 3; i++ {
		go wait()
	}
}

func busy() {
	for {
		time.Sleep(20 * time.Millisecond)
	}
}

func main() {
	runtime.GOMAXPROCS(1) // so that who has said that it waits does so before another runs
	go busy()
	fmt.Println("ready", os.Getpid())
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		switch input.Text() {
		case "block":
			due := atomic.LoadInt32(&blocked) + 3
			block()
			for atomic.LoadInt32(&blocked) < due {
				runtime.Gosched()
			}
			runtime.Gosched()
		case "gc":
			runtime.GC()
		}
		fmt.Println("done")
	}
}
