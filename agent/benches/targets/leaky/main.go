// Benchmark target: leaks goroutines at a rate, beside a busy pool that does not leak.
//
// Arguments: milliseconds from leak to leak; "lost" (nobody has the channel that they wait for), "kept" (a global list has it) or "loops"
// (they wake up each second). Prints "ready PID" at once, and begins to leak at the first line of its input.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"time"
)

var kept []chan int

func leak(kind string) {
	done := make(chan int)
	switch kind {
	case "loops":
		go func() {
			for {
				time.Sleep(time.Second)
			}
		}()
		return
	case "kept":
		kept = append(kept, done)
	}
	go func() { <-done }()
}

func work(jobs chan int) {
	for range jobs {
		time.Sleep(time.Millisecond)
	}
}

func main() {
	period, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	jobs := make(chan int)
	for i := 0; i < 10; i++ {
		go work(jobs)
	}
	go func() {
		for i := 0; ; i++ {
			jobs <- i
		}
	}()
	fmt.Println("ready", os.Getpid())
	input := bufio.NewScanner(os.Stdin)
	for started := false; input.Scan(); {
		if started {
			continue
		}
		started = true
		go func() {
			for range time.Tick(time.Duration(period) * time.Millisecond) {
				leak(os.Args[2])
			}
		}()
	}
}
