//go:build !cgo_target

package main

func foreign(*rng) {}
