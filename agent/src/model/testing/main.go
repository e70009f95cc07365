package main

import (
	"os"
	"time"
)

var table = map[string]int{}

func main() {
	write("a")
	timer := time.AfterFunc(time.Hour, func() {})
	go write("b")
	if len(os.Args) > 1 {
		os.Stdin.Read(make([]byte, 1)) // until the test closes it
	}
	timer.Stop()
	time.Sleep(time.Millisecond)
}

//go:noinline
func write(key string) {
	inlined(key)
}

func inlined(key string) {
	table[key]++ // line 27: the write
}
