// Leaks a goroutine every 50 ms, and after 12 s lets nobody read its memory who has no capability. Ends with its input.
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

func main() {
	fmt.Println("ready", os.Getpid())
	go func() {
		for range time.Tick(50 * time.Millisecond) {
			leak()
		}
	}()
	time.AfterFunc(12*time.Second, func() {
		const setDumpable = 4
		if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0); errno != 0 {
			panic(errno)
		}
	})
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
}
