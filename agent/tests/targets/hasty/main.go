// Starts goroutines as fast as it is told, by four goroutines at once; nearly all end at once, and one in fifty thousand waits for ever
// on a channel that nobody else has. What could not be started in time is caught up on. Ends with its input.
//
// Argument: goroutines a second. Answers each line with how many a second they were since the last answer.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	starters = 4
	batch    = 200
	rare     = 50_000
)

// Each on a cache line of its own.
var started [starters]struct {
	count int64
	_     [56]byte
}

func leak() {
	done := make(chan int)
	go func() { <-done }() // LEAK
}

func start(begin time.Time, of int, rate float64) {
	for {
		count := atomic.LoadInt64(&started[of].count)
		missing := int64(time.Since(begin).Seconds()*rate) - count
		if missing > batch {
			missing = batch
		}
		if missing <= 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		for i := int64(0); i < missing; i++ {
			if (count+i)%rare == 0 {
				leak()
			} else {
				go func() {}()
			}
		}
		atomic.AddInt64(&started[of].count, missing)
		runtime.Gosched()
	}
}

func total() (sum int64) {
	for i := range started {
		sum += atomic.LoadInt64(&started[i].count)
	}
	return sum
}

func main() {
	rate, err := strconv.ParseFloat(os.Args[1], 64)
	if err != nil {
		panic(err)
	}
	begin := time.Now()
	for i := 0; i < starters; i++ {
		go start(begin, i, rate/starters)
	}
	fmt.Println("ready", os.Getpid())
	last, before := begin, int64(0)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		now, count := time.Now(), total()
		fmt.Printf("%d\n", int64(float64(count-before)/now.Sub(last).Seconds()))
		last, before = now, count
	}
}
