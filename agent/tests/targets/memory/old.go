//go:build !go1.23

package main

// coroutines: there are none before Go 1.23.
func coroutines(*rng) uint64 { return 0 }
