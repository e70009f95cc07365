//go:build !cgo_target

package main

func callThroughC(*tally, int) {}
