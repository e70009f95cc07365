// Starts goroutines as fast as it is told, nearly all of which end at once; one in five thousand waits for ever on a channel that
// nobody else has. Ends with its input.
//
// Argument: goroutines a second. Answers each line with how many a second they were.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

var started, told int64

func leak() {
	done := make(chan int)
	go func() { <-done }() // LEAK
}

func start(rate int64) {
	begin := time.Now()
	for {
		due := int64(time.Since(begin).Seconds() * float64(rate))
		for ; started < due; started++ {
			if started%5000 == 0 {
				leak()
			} else {
				go func() {}()
			}
		}
		atomic.StoreInt64(&told, started)
		time.Sleep(time.Millisecond)
	}
}

func main() {
	rate, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	begin := time.Now()
	go start(rate)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		fmt.Printf("%d\n", int64(float64(atomic.LoadInt64(&told))/time.Since(begin).Seconds()))
	}
}
