//go:build !go1.24 && !cgo_target

package main

var more []func()
