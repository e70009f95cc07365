// The load of `cargo xtask monitoring --live`: a program that makes every event that a dashboard shows.
//
//	load leak   starts goroutines that never end, 300 and later 600 a second, and does a bit of everything besides
//	load crowd  has 9,000 goroutines at rest: many, and no leak
//
// It is an ordinary program: nothing in it knows of goroscope.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

var (
	lock  sync.Mutex
	words = map[string]int{}
	ints  = map[uint64]int{}
	bytes []byte
)

// leak forgets the receiver of an answer that is never sent.
func leak() {
	answer := make(chan int)
	go func() { // LEAK
		println(<-answer)
	}()
}

// contend holds the lock for a while, so that others wait.
func contend() {
	for {
		lock.Lock()
		time.Sleep(2 * time.Millisecond)
		lock.Unlock()
	}
}

// work is a request: a goroutine that ends, a timer that is stopped, one that fires, maps, garbage.
func work(round int) {
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		bytes = make([]byte, 64<<10)
	}()
	done.Wait()
	timer := time.NewTimer(time.Hour)
	timer.Reset(time.Minute)
	timer.Stop()
	time.AfterFunc(time.Millisecond, func() {})
	words[strconv.Itoa(round%100)]++
	ints[uint64(round%100)]++
	delete(words, strconv.Itoa((round+50)%100))
	if round%100 == 0 {
		clear(ints)
	}
	if round%10 == 0 {
		runtime.GC()
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "crowd" {
		rest := make(chan struct{})
		for i := 0; i < 9000; i++ {
			go func() { <-rest }()
		}
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(rest)
		return
	}
	debug.SetMemoryLimit(4 << 30)
	for i := 0; i < 4; i++ {
		go contend()
	}
	leaked := 0
	for round := 0; ; round++ {
		time.Sleep(20 * time.Millisecond)
		// 300 a second, and 2 % of those that there are: by twice as many each half minute, later by 600 a second.
		more := 6 + min(leaked, 15_000)/2500
		for i := 0; i < more; i++ {
			leak()
		}
		leaked += more
		work(round)
	}
}
