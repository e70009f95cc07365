// A document is encoded into a pipe and decoded from it; the decoder stops early, and the encoder cannot write.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type record struct {
	ID   int
	Name string
}

func export(n int) io.Reader {
	reader, writer := io.Pipe()
	go func() { // LEAK: encoder
		encoder := json.NewEncoder(writer)
		for i := 0; i < n; i++ {
			if err := encoder.Encode(record{i, "name"}); err != nil { // the wait is in package io
				return
			}
		}
		_ = writer.Close()
	}()
	return reader
}

func count(in io.Reader, limit int) int {
	decoder, n := json.NewDecoder(in), 0
	for n < limit {
		var r record
		if decoder.Decode(&r) != nil {
			break
		}
		n++
	}
	return n
}

func main() {
	go func() {
		for {
			limit := 100
			if rand.Intn(4) == 0 {
				limit = 10
			}
			count(export(50), limit)
			time.Sleep(time.Duration(100+rand.Intn(300)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
