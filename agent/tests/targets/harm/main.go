// Target program that does what observers have broken in Go programs: deep recursion and stack growth, panics and
// recovers, signals, collections, goroutine churn, callbacks from C. What it computes depends on the seed only, so its
// output is the same whether anybody watches or not.
//
// Prints "ready PID", then answers each line "go SEED" with one line: a hash of all that it has computed.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type hash uint64

func (h *hash) add(n uint64) { *h = (*h ^ hash(n)) * 1099511628211 }

type rng uint64

func (r *rng) next() uint64 {
	*r = *r*6364136223846793005 + 1442695040888963407
	return uint64(*r >> 33)
}

// recurse uses maps and closures on the way down, so that probed functions run at every depth.
//
//go:noinline
func recurse(depth int, seen map[int]int, salt uint64) uint64 {
	var frame [16]uint64
	frame[depth%16] = salt
	seen[depth%97]++
	if depth == 0 {
		return salt
	}
	below := recurse(depth-1, seen, salt*31+uint64(depth))
	return below ^ frame[depth%16]
}

type failure struct{ depth int }

func (f failure) Error() string { return fmt.Sprint("failure at ", f.depth) }

// throw panics at some depth in one of many ways; every frame defers, and some panic again on the way up.
//
//go:noinline
func throw(depth int, r *rng) {
	defer func() {
		if depth%7 == 3 {
			if v := recover(); v != nil {
				panic(fmt.Errorf("again at %d: %v", depth, v))
			}
		}
	}()
	if depth > 0 {
		throw(depth-1, r)
		return
	}
	switch r.next() % 7 {
	case 0:
		panic("text")
	case 1:
		panic(failure{depth})
	case 2:
		var m map[string]int
		m["nil map"]++
	case 3:
		var p *failure
		_ = p.Error()
	case 4:
		x := []int{1}
		_ = x[int(r.next()%5)+1]
	case 5:
		zero := 0
		_ = 1 / zero
	case 6:
		close((chan int)(nil))
	}
}

func catch(depth int, r *rng) (text string) {
	defer func() {
		v := recover()
		var run runtime.Error
		if err, ok := v.(error); ok && errors.As(err, &run) {
			text = "runtime: " + err.Error()
			return
		}
		text = fmt.Sprint(v)
	}()
	throw(depth, r)
	return "none"
}

// churn starts and ends goroutines in trees, some by Goexit; the order does not show in the result.
func churn(width, depth int, salt uint64) uint64 {
	if depth == 0 {
		return salt
	}
	var sum atomic.Uint64
	var group sync.WaitGroup
	for i := 0; i < width; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			sum.Add(churn(width, depth-1, salt*1000003+uint64(i)))
			if i%5 == 4 {
				runtime.Goexit()
			}
		}(i)
	}
	group.Wait()
	return sum.Load()*31 + salt
}

func pipeline(n int, salt uint64) uint64 {
	a, b := make(chan uint64), make(chan uint64, 16)
	go func() {
		defer close(a)
		for i := 0; i < n; i++ {
			a <- uint64(i) * salt
		}
	}()
	go func() {
		defer close(b)
		for v := range a {
			b <- v ^ v>>7
		}
	}()
	var sum uint64
	for v := range b {
		sum = sum*31 + v
	}
	return sum
}

func mapsAndSort(n int, r *rng) uint64 {
	m := map[string]uint64{}
	for i := 0; i < n; i++ {
		m[fmt.Sprint("key-", r.next()%uint64(n))] += r.next() % 1000
		if i%11 == 0 {
			delete(m, fmt.Sprint("key-", r.next()%uint64(n)))
		}
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var h hash
	for _, k := range keys {
		for _, c := range []byte(k) {
			h.add(uint64(c))
		}
		h.add(m[k])
	}
	return uint64(h)
}

func timers(n int) uint64 {
	var ran atomic.Uint64
	var group sync.WaitGroup
	for i := 0; i < n; i++ {
		group.Add(1)
		time.AfterFunc(time.Duration(i%50)*10*time.Microsecond, func() { ran.Add(1); group.Done() })
	}
	group.Wait()
	<-time.After(time.Millisecond)
	time.Sleep(time.Millisecond)
	return ran.Load()
}

// storm lets signals rain on every thread until it is told to stop: SIGUSR1 to handlers, SIGPROF from the profiler.
func storm(stop chan struct{}, done *sync.WaitGroup) {
	received := make(chan os.Signal, 64)
	signal.Notify(received, syscall.SIGUSR1, syscall.SIGWINCH)
	_ = pprof.StartCPUProfile(io.Discard)
	done.Add(2)
	go func() {
		defer done.Done()
		for {
			select {
			case <-stop:
				return
			case <-received:
			}
		}
	}()
	go func() {
		defer done.Done()
		for i := 0; ; i++ {
			select {
			case <-stop:
				pprof.StopCPUProfile()
				signal.Reset(syscall.SIGWINCH)
				signal.Ignore(syscall.SIGUSR1)
				return
			default:
			}
			_ = syscall.Kill(syscall.Getpid(), []syscall.Signal{syscall.SIGUSR1, syscall.SIGWINCH}[i%2])
			if i%16 == 0 {
				time.Sleep(50 * time.Microsecond)
			}
		}
	}()
}

func collect(stop chan struct{}, done *sync.WaitGroup) {
	done.Add(1)
	go func() {
		defer done.Done()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			runtime.GC()
			if i%8 == 0 {
				debug.FreeOSMemory()
				var stats runtime.MemStats
				runtime.ReadMemStats(&stats)
			}
			runtime.Gosched()
		}
	}()
}

func work(seed uint64) uint64 {
	stop := make(chan struct{})
	var background sync.WaitGroup
	storm(stop, &background)
	collect(stop, &background)

	r := rng(seed)
	var h hash
	for round := 0; round < 6; round++ {
		var group sync.WaitGroup
		results := make([]uint64, 4)
		for i := range results {
			group.Add(1)
			go func(i int, r rng) {
				defer group.Done()
				var h hash
				h.add(recurse(int(r.next()%4000)+100, map[int]int{}, r.next()))
				for j := 0; j < 60; j++ {
					for _, c := range []byte(catch(int(r.next()%60), &r)) {
						h.add(uint64(c))
					}
				}
				h.add(churn(4, 4, r.next()))
				h.add(pipeline(500, r.next()))
				h.add(mapsAndSort(1500, &r))
				h.add(timers(100))
				h.add(throughC(200, r.next()))
				results[i] = uint64(h)
			}(i, rng(r.next()))
		}
		group.Wait()
		for _, result := range results {
			h.add(result)
		}
		before := runtime.GOMAXPROCS(1 + round%3)
		h.add(mapsAndSort(500, &r))
		runtime.GOMAXPROCS(before)
	}
	close(stop)
	background.Wait()
	return uint64(h)
}

func main() {
	fmt.Printf("ready %d\n", os.Getpid())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var seed uint64
		if _, err := fmt.Sscanf(strings.TrimSpace(lines.Text()), "go %d", &seed); err != nil {
			fmt.Println("expected: go SEED")
			os.Exit(2)
		}
		fmt.Printf("%016x\n", work(seed))
	}
}
