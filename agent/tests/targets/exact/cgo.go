//go:build cgo_target

package main

/*
extern void writeFromC(int k);
static void call_back(int k) { writeFromC(k); }
*/
import "C"

var fromC struct {
	t *tally
	m map[int]int
}

// writeFromC is called by C: map writes on the far side of a stack switch.
//
//export writeFromC
func writeFromC(k C.int) {
	fromC.m[int(k)]++
	fromC.t.fast64++
	fromC.t.mapSite[mapFromC]++
}

//go:noinline
func callThroughC(t *tally, n int) {
	fromC.t, fromC.m = t, map[int]int{}
	for i := 0; i < n; i++ {
		C.call_back(C.int(i % 50))
	}
}
