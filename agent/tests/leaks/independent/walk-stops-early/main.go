// A scan walks a tree and hashes each file in a goroutine. When a file is malformed the scan returns its error, and the hashes that are
// still to come have no receiver.
package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type hashed struct {
	path string
	sum  [sha256.Size]byte
	err  error
}

func hash(path string, out chan<- hashed) {
	content, err := os.ReadFile(path)
	if err == nil && strings.HasSuffix(path, "04.txt") {
		err = errors.New("malformed")
	}
	out <- hashed{path, sha256.Sum256(content), err} // WAITS: hash
}

func scan(root string) error {
	out := make(chan hashed)
	files := 0
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		files++
		go hash(path, out) // LEAK: hash
		return nil
	})
	if err != nil {
		return err
	}
	for ; files > 0; files-- {
		if h := <-out; h.err != nil {
			return h.err
		}
	}
	return nil
}

func main() {
	root, err := os.MkdirTemp("", "walk")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	for i := 0; i < 8; i++ {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("%02d.txt", i)), make([]byte, 5000*i), 0o600); err != nil {
			panic(err)
		}
	}
	go func() {
		for {
			_ = scan(root)
			time.Sleep(2 * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
