// Leaks a goroutine every 50 ms: each waits on a channel that nobody else has. With an argument, nobody who has no capability may read its
// memory after so long. Ends with its input.
package main

import (
	"bufio"
	"fmt"
	"os"
	"syscall"
	"time"
)

func leak() {
	done := make(chan int)
	go func() { <-done }()
}

func shut() {
	const setDumpable = 4
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0); errno != 0 {
		panic(errno)
	}
}

func main() {
	fmt.Println("ready", os.Getpid())
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			leak()
		}
	}()
	if len(os.Args) > 1 {
		after, err := time.ParseDuration(os.Args[1])
		if err != nil {
			panic(err)
		}
		time.AfterFunc(after, shut)
	}
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
}
