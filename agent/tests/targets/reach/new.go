//go:build go1.24

package main

import (
	"runtime"
	"weak"
)

var weaks []weak.Pointer[finalized]

//go:noinline
func dropWeak(ch chan int) {
	weaks = append(weaks, weak.Make(&finalized{"w", ch}))
}

//go:noinline
func dropCleanup(ch chan int) {
	runtime.AddCleanup(&finalized{name: "c"}, func(ch chan int) { close(ch) }, ch)
}

// more needs weak pointers and cleanups.
func more() {
	ch := make(chan int)
	way("live", "weak pointer", func() { <-ch })
	dropWeak(ch)
	cleaned := make(chan int)
	way("live", "cleanup", func() { <-cleaned })
	dropCleanup(cleaned)
}
