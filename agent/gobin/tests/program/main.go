// A target program: everything that goroscope-gobin looks for is linked into it, types too, and it prints its own stacks.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

type key struct{ a, b uint64 }

// leaf is inlined into middle, middle into outer: one return address, three frames.
func leaf(pcs []uintptr) int { return runtime.Callers(1, pcs) }

func middle(pcs []uintptr) int { return leaf(pcs) + 0 }

func outer(pcs []uintptr) int {
	return middle(pcs)
}

//go:noinline
func plain(pcs []uintptr) int {
	return outer(pcs)
}

type generic[T any] struct{ value T }

//go:noinline
func (g *generic[T]) callers(pcs []uintptr) int {
	return plain(pcs)
}

//go:noinline
func maps(n int) int {
	a, b, c, d, e := map[key]int{}, map[uint32]int{}, map[uint64]int{}, map[string]int{}, map[*int]int{}
	for i := 0; i < n; i++ {
		a[key{uint64(i), 1}]++
		b[uint32(i)]++
		c[uint64(i)]++
		d[fmt.Sprint(i)]++
		e[new(int)]++
	}
	delete(a, key{1, 1})
	delete(b, 1)
	delete(c, 1)
	delete(d, "1")
	n = len(a) + len(b) + len(c) + len(d) + len(e)
	for k := range c {
		delete(c, k)
	}
	return n
}

func timers() {
	t := time.NewTimer(time.Hour)
	t.Reset(time.Minute)
	t.Stop()
	time.AfterFunc(time.Hour, func() {}).Stop()
	time.Sleep(time.Microsecond)
}

// stack prints what this process says about a call stack: `pc` for each address as runtime.Callers returns it,
// then `frame` for each frame that runtime.CallersFrames makes of that address alone.
func stack(pcs []uintptr) {
	for _, pc := range pcs {
		fmt.Printf("pc %#x\n", pc)
	}
	frames := runtime.CallersFrames(pcs)
	for {
		frame, more := frames.Next()
		fmt.Printf("frame %s %s %d\n", frame.Function, frame.File, frame.Line)
		if !more {
			return
		}
	}
}

// start prints where the first mapping of this executable starts.
func start() {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasSuffix(line, path) {
			fmt.Printf("map %s\n", strings.SplitN(line, "-", 2)[0])
			return
		}
	}
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Add(1)
	go func() {
		defer group.Done()
		<-ctx.Done()
	}()
	cancel()
	group.Wait()
	timers()
	sync.NewCond(&sync.Mutex{}).Broadcast()
	fmt.Printf("version %s\n", runtime.Version())
	fmt.Printf("maps %d\n", maps(10))
	start()
	pcs := make([]uintptr, 32)
	stack(pcs[:(&generic[int]{}).callers(pcs)])
}
