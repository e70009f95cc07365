//go:build cgo_target && go1.24

package main

/*
#include <stdint.h>
#include <unistd.h>
static void wait_in_c(uintptr_t handle, int us) { (void)handle; usleep(us); }
static void *through_c(void *p, int us) { usleep(us); return p; }
*/
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

var more = []func(){inCleanups, inWeaks, inC}

// inC keeps each pointer behind a handle, or in the argument of a call.
func inC() {
	for i := 0; i < each; i++ {
		w := waiter("C", i)
		holders.Add(1)
		if i%2 == 0 {
			go handled(cgo.NewHandle(w))
		} else {
			go called(w)
		}
	}
}

func handled(handle cgo.Handle) {
	defer holders.Done()
	for !stopping() {
		C.wait_in_c(C.uintptr_t(handle), 500)
		w := handle.Value()
		handle.Delete()
		handle = cgo.NewHandle(w)
	}
	handle.Value().(*waker).wake()
}

func called(w *waker) {
	defer holders.Done()
	bytes := new([8]byte)
	for !stopping() {
		C.through_c(unsafe.Pointer(bytes), 500)
	}
	w.wake()
}
