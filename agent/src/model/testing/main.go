package main

import "time"

var table = map[string]int{}

func main() {
	write("a")
	time.AfterFunc(time.Hour, func() {})
	go write("b")
	time.Sleep(time.Millisecond)
}

//go:noinline
func write(key string) {
	inlined(key)
}

func inlined(key string) {
	table[key]++ // line 20: the write
}
