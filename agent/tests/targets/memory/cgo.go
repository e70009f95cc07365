//go:build cgo_target

package main

/*
#include <unistd.h>
extern void waitForC(void);
static void sleep_in_c(void) { for (;;) pause(); }
static void call_back(void) { waitForC(); }
*/
import "C"

// waitForC is called by C: its goroutine waits on the far side of a stack switch.
//
//export waitForC
func waitForC() { <-forever }

// foreign leaves goroutines that are in C, and some that C has called back.
func foreign(r *rng) {
	for i := r.n(2); i > 0; i-- {
		mark()
		go func() { C.sleep_in_c() }()
		mark()
		go func() { C.call_back() }()
	}
}
