// Two trees are compared by walking both in goroutines that send their values. At the first difference the comparison returns, and both
// walkers stand in the middle of their trees.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type tree struct {
	left, right *tree
	value       int
}

func insert(t *tree, value int) *tree {
	if t == nil {
		return &tree{value: value}
	}
	if value < t.value {
		t.left = insert(t.left, value)
	} else {
		t.right = insert(t.right, value)
	}
	return t
}

func (t *tree) walk(out chan<- int) {
	if t == nil {
		return
	}
	t.left.walk(out)
	out <- t.value
	t.right.walk(out)
}

func all(t *tree, out chan<- int) {
	t.walk(out)
	close(out)
}

func same(a, b *tree) bool {
	left, right := make(chan int), make(chan int)
	go all(a, left)  // LEAK: first
	go all(b, right) // LEAK: second
	for {
		x, more := <-left
		y, too := <-right
		if more != too || x != y {
			return false
		}
		if !more {
			return true
		}
	}
}

func random(different bool) *tree {
	var t *tree
	for _, value := range rand.Perm(40) {
		if different && value == 20 {
			value = 100
		}
		t = insert(t, value)
	}
	return t
}

func main() {
	go func() {
		for n := 0; ; n++ {
			same(random(false), random(n%8 == 0))
			time.Sleep(time.Duration(60+rand.Intn(60)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
