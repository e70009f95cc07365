// The program that is counted in a virtual machine: it says "ready", waits for a line on standard input, does numbers of things that
// it draws from the seed in its first argument, prints how many of each, and stays until standard input ends.
package main

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"
)

// Package variables: the compiler must not do without these maps.
var (
	by32      = map[uint32]int{}
	by64      = map[uint64]int{}
	byString  = map[string]int{}
	byGeneric = map[[3]int64]int{}
)

// Nobody sends.
var never = make(chan int)

// created is the runtime's own count of goroutines since the start, where it has one (Go 1.26).
func created() (uint64, bool) {
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0, false
	}
	return sample[0].Value.Uint64(), true
}

func spawn(n int) {
	for n > 0 {
		batch := min(n, 100)
		var all sync.WaitGroup
		all.Add(batch)
		for range batch {
			go all.Done()
		}
		all.Wait()
		n -= batch
	}
}

func write(n32, n64, nString, nGeneric int) {
	for i := range n32 {
		by32[uint32(i%97)] = i
	}
	for i := range n64 {
		by64[uint64(i%89)] = i
	}
	for i := range nString {
		byString[strconv.Itoa(i%83)] = i
	}
	for i := range nGeneric {
		byGeneric[[3]int64{int64(i % 79)}] = i
	}
}

// park waits until the program ends.
func park() {
	<-never
}

func timers(n int) {
	for range n {
		time.NewTimer(time.Hour).Stop()
	}
}

func main() {
	seed, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	random := rand.New(rand.NewSource(seed))
	draw := func() int { return 1000 + random.Intn(2000) }
	starts, n32, n64, nString, nGeneric, deletes, clears, stops := draw(), draw(), draw(), draw(), draw(), draw(), draw()%50, draw()

	// What the runtime starts by itself is started now: later it would be counted as ours.
	// The first call fills maps of the library's own, whose writes would be counted, too.
	created()
	parked := 5 + random.Intn(20)
	for range parked {
		go park()
	}
	timers(1)
	spawn(1)
	runtime.GC()
	debug.SetGCPercent(-1)
	input := bufio.NewReader(os.Stdin)
	fmt.Println("ready")
	if _, err := input.ReadString('\n'); err != nil {
		panic(err)
	}

	before, exact := created()
	spawn(starts)
	write(n32, n64, nString, nGeneric)
	for i := range deletes {
		delete(by64, uint64(i%89))
	}
	for range clears {
		clear(byString)
	}
	timers(stops)
	all := uint64(starts)
	if after, _ := created(); exact {
		all = after - before
	}

	fmt.Println("word goroutine_starts", all)
	fmt.Println("word goroutine_exits", starts)
	fmt.Println("word map_writes:fast32", n32)
	fmt.Println("word map_writes:fast64", n64)
	fmt.Println("word map_writes:faststr", nString)
	fmt.Println("word map_writes:generic", nGeneric)
	fmt.Println("word map_deletes", deletes)
	fmt.Println("word map_clears", clears)
	fmt.Println("word timer_starts", stops)
	fmt.Println("word timer_stops", stops)
	fmt.Println("word goroutine_starts_by_site:main.spawn", starts)
	fmt.Println("word map_writes_by_site:main.write", n32+n64+nString+nGeneric)
	fmt.Println("word timer_starts_by_site:main.timers", stops)
	fmt.Println("parked", parked)
	fmt.Println("word end", 0)
	_, _ = input.ReadString('\n')
}
