// Test program that keeps one thread of another process from running.
//
// Takes the thread's id, stops it alone, prints "ready PID", and lets it go on at the end of its input.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

func main() {
	// The kernel takes requests from the thread that attached only.
	runtime.LockOSThread()
	thread, err := strconv.Atoi(os.Args[1])
	check(err)
	check(syscall.PtraceAttach(thread))
	// A thread of another process is waited for by name: __WALL.
	_, err = syscall.Wait4(thread, nil, 0x40000000, nil)
	check(err)
	fmt.Printf("ready %d\n", os.Getpid())
	_, err = io.Copy(io.Discard, os.Stdin)
	check(err)
	check(syscall.PtraceDetach(thread))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "holder:", err)
		os.Exit(1)
	}
}
