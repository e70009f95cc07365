//go:build go1.23

package main

import "iter"

// coroutines leaves some that have begun and wait for the next call, and some that have ended.
func coroutines(r *rng) uint64 {
	numbers := func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
		done()
	}
	n := r.n(5)
	for i := 0; i < n; i++ {
		next, stop := iter.Pull(iter.Seq[int](numbers))
		for j := r.n(4); j > 0; j-- {
			x, _ := next()
			sink += x
		}
		if i%2 == 1 {
			stop()
		} else {
			pulled = append(pulled, next)
		}
	}
	return uint64(n)
}

var pulled []func() (int, bool)
