// Has memory that it never touches: a mapping, and pointers in its heap. Nothing else moves: a waiting goroutine that nobody can
// wake, and no collection.
//
// Argument: MiB of each. First line: "ready PID MAPPING HEAP BYTES", addresses in decimal.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"unsafe"
)

var (
	kept    []*int
	mapping []byte
)

func leak() {
	done := make(chan int)
	go func() { <-done }()
}

func main() {
	debug.SetGCPercent(-1)
	mib, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	bytes := mib << 20
	mapping, err = syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	kept = make([]*int, bytes/8)
	leak()
	fmt.Println("ready", os.Getpid(), uintptr(unsafe.Pointer(&mapping[0])), uintptr(unsafe.Pointer(&kept[0])), bytes)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
	runtime.KeepAlive(kept)
}
