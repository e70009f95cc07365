// Target program of the exactness matrix.
//
// It prints "ready PID", waits for a line "go SEED" on its standard input, does numbers of goroutine starts, map
// operations and timer operations that it draws from the seed, counts each of them in plain variables where it does
// it, waits until every goroutine of it has ended, prints its counts as one line of JSON and waits for the next line.
// While it waits it does nothing at all, so a reading before "go" and one after the JSON differ by exactly its counts.
//
// What it counts are the calls that COMPATIBILITY.md defines: a start is a call of runtime.newproc1, a map write a
// call of runtime.mapassign*, and so on. Differences between Go versions stand in the go1NN.go files beside this one.
//
// Names of functions are part of the test: sites are compared by them.
package main

import (
	"context"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Sites of goroutine starts.
const (
	goSpawnCall = iota
	goSpawnClosure
	goSpawnNested
	goNested
	goSpawnDeep
	goSpawnWorkers
	goSpawnTick
	goGoFunc
	goPull
	goSites
)

var goNames = [goSites]string{
	"main.spawnCall", "main.spawnClosure", "main.spawnNested", "main.nested", "main.deep", "main.spawnWorkers", "main.spawnTick", "time.goFunc", "iter.Pull",
}

// Sites of map writes.
const (
	mapWrite32 = iota
	mapWrite64
	mapWritePointer
	mapWriteString
	mapPutInlined
	mapWriteGeneric
	mapWriteBig
	mapWriteNil
	mapWriteLiteral
	mapWriteReflect
	mapFill
	mapDeep
	mapContexts
	mapFromC
	mapSites
)

var mapNames = [mapSites]string{
	"main.write32", "main.write64", "main.writePointer", "main.writeString", "main.putInlined", "main.writeGeneric", "main.writeBig",
	"main.writeNil", "main.writeLiteral", "main.writeReflect", "main.fill", "main.deep", "main.useContexts", "main.writeFromC",
}

// Sites of timer starts.
const (
	timerStartTimers = iota
	timerFireUnreceived
	timerStartInlined
	timerStartAfterFunc
	timerStartTickers
	timerStartAfter
	timerTickOnce
	timerDeep
	timerContexts
	timerSites
)

var timerNames = [timerSites]string{
	"main.startTimers", "main.fireUnreceived", "main.startInlined", "main.startAfterFunc", "main.startTickers", "main.startAfter", "main.tickOnce", "main.deep",
	"main.useContexts",
}

// tally is what one goroutine has done; one goroutine writes one tally.
type tally struct {
	fast32, fast64, faststr, generic            uint64
	deletes, clears                             uint64
	timerStops, timerResets, timerFires, sleeps uint64
	goSite                                      [goSites]uint64
	mapSite                                     [mapSites]uint64
	timerSite                                   [timerSites]uint64
	deletesInlined                              uint64
	ambiguous                                   bool
}

func (t *tally) add(o *tally) {
	t.fast32 += o.fast32
	t.fast64 += o.fast64
	t.faststr += o.faststr
	t.generic += o.generic
	t.deletes += o.deletes
	t.clears += o.clears
	t.timerStops += o.timerStops
	t.timerResets += o.timerResets
	t.timerFires += o.timerFires
	t.sleeps += o.sleeps
	for i := range o.goSite {
		t.goSite[i] += o.goSite[i]
	}
	for i := range o.mapSite {
		t.mapSite[i] += o.mapSite[i]
	}
	for i := range o.timerSite {
		t.timerSite[i] += o.timerSite[i]
	}
	t.deletesInlined += o.deletesInlined
	t.ambiguous = t.ambiguous || o.ambiguous
}

// rng is splitmix64: no library, so nothing that a library does is counted.
type rng struct{ state uint64 }

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// n draws from 0 to limit-1.
func (r *rng) n(limit int) int { return int(r.next() % uint64(limit)) }

// between draws from low to high.
func (r *rng) between(low, high int) int { return low + r.n(high-low+1) }

// soon is a time to wait that makes a timer fire while somebody waits for it.
func (r *rng) soon() time.Duration { return time.Duration(r.n(300)) * time.Microsecond }

// The keys of string maps: made once, so that counting loops do not allocate.
var words [1024]string

type pair struct {
	number int
	word   string
}
type oneInt32 struct{ v int32 }
type oneInt64 struct{ v int64 }
type oneString struct{ v string }
type myString string
type big [200]byte
type limit [128]byte // the largest value for which the fast functions are used

//go:noinline
func write32(t *tally, r *rng, n int) {
	a, b, c, d := map[int32]int{}, map[uint32][]byte{}, map[oneInt32]bool{}, map[[2]uint16]limit{}
	for i := 0; i < n; i++ {
		k := r.n(700)
		switch r.n(6) {
		case 0:
			a[int32(k)] = i
		case 1:
			a[int32(k)]++
		case 2:
			a[int32(k)] += i
		case 3:
			b[uint32(k)] = append(b[uint32(k)], 1)
		case 4:
			c[oneInt32{int32(k)}] = true
		case 5:
			d[[2]uint16{uint16(k), 1}] = limit{}
		}
		t.fast32++
		t.mapSite[mapWrite32]++
	}
}

//go:noinline
func write64(t *tally, r *rng, n int) {
	a, b, c, d := map[int64]int{}, map[uint64]string{}, map[oneInt64]int8{}, map[[2]uint32]struct{}{}
	for i := 0; i < n; i++ {
		k := r.n(700)
		switch r.n(6) {
		case 0:
			a[int64(k)] = i
		case 1:
			a[int64(k)]++
		case 2:
			a[int64(k)], _ = i, k
		case 3:
			b[uint64(k)] += "x"
			if len(b[uint64(k)]) > 40 {
				b[uint64(k)] = ""
				t.fast64++
				t.mapSite[mapWrite64]++
			}
		case 4:
			c[oneInt64{int64(k)}] = 1
		case 5:
			d[[2]uint32{uint32(k), 1}] = struct{}{}
		}
		t.fast64++
		t.mapSite[mapWrite64]++
	}
}

//go:noinline
func writePointer(t *tally, r *rng, n int) {
	a, b, c := map[*int]int{}, map[chan int]int{}, map[unsafe.Pointer]bool{}
	var keys [64]*int
	var channels [64]chan int
	for i := range keys {
		keys[i], channels[i] = new(int), make(chan int)
	}
	for i := 0; i < n; i++ {
		k := r.n(len(keys))
		switch r.n(4) {
		case 0:
			a[keys[k]] = i
		case 1:
			a[new(int)]++
		case 2:
			b[channels[k]]++
		case 3:
			c[unsafe.Pointer(keys[k])] = true
		}
		t.fast64++
		t.mapSite[mapWritePointer]++
	}
}

// putInlined is small enough to be inlined: the site must be its name all the same.
func putInlined(m map[string]int, k string) { m[k]++ }

//go:noinline
func writeString(t *tally, r *rng, n int) {
	a, b, c, d := map[string]int{}, map[myString]limit{}, map[oneString]string{}, map[string][]int{}
	for i := 0; i < n; i++ {
		k := words[r.n(len(words))]
		switch r.n(5) {
		case 0:
			a[k] = i
		case 1:
			b[myString(k)] = limit{}
		case 2:
			c[oneString{k}] = k
		case 3:
			d[k] = append(d[k], i)
		case 4:
			putInlined(a, k)
			t.faststr++
			t.mapSite[mapPutInlined]++
			continue
		}
		t.faststr++
		t.mapSite[mapWriteString]++
	}
}

//go:noinline
func writeGeneric(t *tally, r *rng, n int) {
	a, b, c, d, e := map[pair]int{}, map[any]int{}, map[float64]int{}, map[bool]int{}, map[uint16]string{}
	f, g := map[[3]int64]int{}, map[complex128]bool{}
	for i := 0; i < n; i++ {
		k := r.n(500)
		switch r.n(8) {
		case 0:
			a[pair{k, words[k]}]++
		case 1:
			b[k]++
		case 2:
			b[words[k]] = i
		case 3:
			c[float64(k)/3] += 1
		case 4:
			d[k&1 == 0]++
		case 5:
			e[uint16(k)] = words[k]
		case 6:
			f[[3]int64{int64(k), 1, 2}] = i
		case 7:
			g[complex(float64(k), 1)] = true
		}
		t.generic++
		t.mapSite[mapWriteGeneric]++
	}
}

// writeBig writes maps whose values are too large for the fast functions, whatever their key.
//
//go:noinline
func writeBig(t *tally, r *rng, n int) {
	a, b, c := map[int64]big{}, map[string]big{}, map[int32]big{}
	for i := 0; i < n; i++ {
		k := r.n(100)
		switch r.n(3) {
		case 0:
			a[int64(k)] = big{1}
		case 1:
			b[words[k]] = big{2}
		case 2:
			c[int32(k)] = big{3}
		}
		t.generic++
		t.mapSite[mapWriteBig]++
	}
}

// writeNil panics in the map function itself; the write is counted before it is tried.
//
//go:noinline
func writeNil(t *tally, r *rng) {
	defer func() { _ = recover() }()
	t.mapSite[mapWriteNil]++
	switch r.n(5) {
	case 0:
		var m map[int32]int
		t.fast32++
		m[1] = 1
	case 1:
		var m map[int64]int
		t.fast64++
		m[1]++
	case 2:
		var m map[*int]int
		t.fast64++
		m[nil] = 1
	case 3:
		var m map[string]int
		t.faststr++
		m["x"] = 1
	case 4:
		var m map[any]int
		t.generic++
		m[1] = 1
	}
}

var sink int

// writeLiteral makes maps by literals: small ones are written entry by entry, larger ones in a loop over two arrays.
//
//go:noinline
func writeLiteral(t *tally, n int) {
	small := map[string]int{words[n&7]: n, "b": 2, "c": 3}
	t.faststr += 3
	large := map[int64]int{
		1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8, 9: 9, 10: 10, 11: 11, 12: 12, 13: 13, 14: 14, 15: 15, 16: 16,
		17: 17, 18: 18, 19: 19, 20: 20, 21: 21, 22: 22, 23: 23, 24: 24, 25: 25, 26: 26, 27: 27, 28: 28, 29: 29, 30: n,
	}
	t.fast64 += 30
	t.mapSite[mapWriteLiteral] += 33
	sink += len(small) + len(large)
}

//go:noinline
func writeReflect(t *tally, r *rng, n int) {
	texts := reflect.ValueOf(map[string]int{})
	numbers := reflect.ValueOf(map[int64]int{})
	for i := 0; i < n; i++ {
		k := r.n(50)
		switch r.n(4) {
		case 0:
			texts.SetMapIndex(reflect.ValueOf(words[k]), reflect.ValueOf(i))
			t.faststr++
			t.mapSite[mapWriteReflect]++
		case 1:
			// reflect uses the generic function for every key but a string.
			numbers.SetMapIndex(reflect.ValueOf(int64(k)), reflect.ValueOf(i))
			t.generic++
			t.mapSite[mapWriteReflect]++
		case 2:
			texts.SetMapIndex(reflect.ValueOf(words[k]), reflect.Value{})
			t.deletes++
		case 3:
			numbers.SetMapIndex(reflect.ValueOf(int64(k)), reflect.Value{})
			if reflectDeleteIsCall {
				t.deletes++
			} else {
				t.deletesInlined++
			}
		}
	}
}

// stock is one map of each kind, for deletes and clears.
type stock struct {
	a map[int32]int
	b map[int64]int
	c map[*int]int
	d map[string]int
	e map[any]int
	f map[float64]int
}

var pointers [128]int

//go:noinline
func fill(t *tally, s *stock, n int) {
	s.a, s.b, s.c, s.d, s.e, s.f = map[int32]int{}, map[int64]int{}, map[*int]int{}, map[string]int{}, map[any]int{}, map[float64]int{}
	for i := 0; i < n; i++ {
		s.a[int32(i)] = i
		s.b[int64(i)] = i
		s.c[&pointers[i%len(pointers)]] = i
		s.d[words[i%len(words)]] = i
		s.e[i] = i
		s.f[float64(i)] = i
		t.fast32++
		t.fast64 += 2
		t.faststr++
		t.generic += 2
		t.mapSite[mapFill] += 6
	}
}

// removeFrom deletes keys that are there and keys that are not, from full, empty and nil maps.
//
//go:noinline
func removeFrom(t *tally, r *rng, s *stock, n int) {
	for i := 0; i < n; i++ {
		k := r.n(200)
		switch r.n(6) {
		case 0:
			delete(s.a, int32(k))
		case 1:
			delete(s.b, int64(k))
		case 2:
			delete(s.c, &pointers[k%len(pointers)])
		case 3:
			delete(s.d, words[k])
		case 4:
			delete(s.e, k)
		case 5:
			delete(s.f, float64(k))
		}
		t.deletes++
	}
}

// emptyByLoops uses the loop that compiles to one runtime.mapclear, and one that does not (a float may be unequal to itself).
//
//go:noinline
func emptyByLoops(t *tally, s *stock) {
	for k := range s.a {
		delete(s.a, k)
	}
	t.clears++
	for k := range s.c {
		delete(s.c, k)
	}
	t.clears++
	for k := range s.d {
		delete(s.d, k)
	}
	t.clears++
	for k := range s.f {
		delete(s.f, k)
		t.deletes++
	}
}

//go:noinline
func removals(t *tally, r *rng, rounds int) {
	for i := 0; i < rounds; i++ {
		var s stock
		switch r.n(4) {
		case 0: // every map is nil
		case 1:
			fill(t, &s, 0)
		default:
			fill(t, &s, r.between(1, 150))
		}
		removeFrom(t, r, &s, r.between(1, 60))
		if r.n(2) == 0 {
			emptyByLoops(t, &s)
		} else {
			emptyByBuiltin(t, &s)
		}
		removeFrom(t, r, &s, r.between(1, 10))
	}
}

//go:noinline
func leaf(x *int64) { atomic.AddInt64(x, 1) }

//go:noinline
func spawnCall(t *tally, n int, x *int64) {
	for i := 0; i < n; i++ {
		go leaf(x)
		t.goSite[goSpawnCall]++
	}
}

//go:noinline
func spawnClosure(t *tally, n int, x *int64) {
	for i := 0; i < n; i++ {
		step := int64(i)
		if i%2 == 0 {
			go func() { atomic.AddInt64(x, step) }()
		} else {
			f := func() { runtime.Gosched(); atomic.AddInt64(x, -step) }
			go f()
		}
		t.goSite[goSpawnClosure]++
		if i%64 == 63 {
			runtime.Gosched()
		}
	}
}

//go:noinline
func nested(children int, x *int64) {
	for i := 0; i < children; i++ {
		go leaf(x)
	}
}

//go:noinline
func spawnNested(t *tally, r *rng, n int, x *int64) {
	for i := 0; i < n; i++ {
		children := r.n(5)
		go nested(children, x)
		t.goSite[goSpawnNested]++
		t.goSite[goNested] += uint64(children)
	}
}

// What deep does at each depth.
const (
	deepString = iota
	deepFast64
	deepGeneric
	deepDelete
	deepClear
	deepGo
	deepSleep
	deepTimer
	deepKinds
)

type deepMaps struct {
	text    map[string]int
	number  map[int64]int
	generic map[pair]int
	x       int64
}

// deep calls one probed function at every depth of a recursion. It runs on a new, small stack and works on keys that
// are there already, so that it is mostly the probed function whose stack check fails and makes the stack grow.
//
//go:noinline
func deep(t *tally, m *deepMaps, kind, depth int) int {
	var frame [6]int
	switch kind {
	case deepString:
		m.text["present"]++
		t.faststr++
		t.mapSite[mapDeep]++
	case deepFast64:
		m.number[7]++
		t.fast64++
		t.mapSite[mapDeep]++
	case deepGeneric:
		m.generic[pair{1, "present"}] = depth
		t.generic++
		t.mapSite[mapDeep]++
	case deepDelete:
		delete(m.text, "absent")
		t.deletes++
	case deepClear:
		for k := range m.number {
			delete(m.number, k)
		}
		t.clears++
	case deepGo:
		go leaf(&m.x)
		t.goSite[goSpawnDeep]++
	case deepSleep:
		time.Sleep(0)
		t.sleeps++
	case deepTimer:
		timer := time.NewTimer(time.Hour)
		t.timerSite[timerDeep]++
		timer.Reset(2 * time.Hour)
		t.timerResets++
		timer.Stop()
		t.timerStops++
	}
	if depth == 0 {
		return 0
	}
	frame[depth%6] = deep(t, m, kind, depth-1)
	return frame[(depth*5)%6] + 1
}

// startInlined is small enough to be inlined, as time.After is.
func startInlined() *time.Timer { return time.NewTimer(time.Hour) }

//go:noinline
func startTimers(t *tally, r *rng, n int) {
	for i := 0; i < n; i++ {
		switch r.n(6) {
		case 0:
			timer := time.NewTimer(time.Hour)
			t.timerSite[timerStartTimers]++
			timer.Stop()
			t.timerStops++
			timer.Stop() // of a stopped timer
			t.timerStops++
		case 1:
			timer := time.NewTimer(r.soon())
			t.timerSite[timerStartTimers]++
			<-timer.C
			t.timerFires++
		case 2:
			timer := time.NewTimer(time.Hour)
			t.timerSite[timerStartTimers]++
			timer.Reset(r.soon())
			t.timerResets++
			<-timer.C
			t.timerFires++
		case 3:
			timer := time.NewTimer(-1)
			t.timerSite[timerStartTimers]++
			<-timer.C
			t.timerFires++
			timer.Reset(time.Hour)
			t.timerResets++
			timer.Stop()
			t.timerStops++
		case 4:
			timer := startInlined()
			t.timerSite[timerStartInlined]++
			timer.Stop()
			t.timerStops++
		case 5:
			fireUnreceived(t)
		}
	}
}

//go:noinline
func startAfterFunc(t *tally, r *rng, n int) {
	var ran int64
	callback := func() { atomic.AddInt64(&ran, 1) }
	expected := int64(0)
	fired := func() {
		expected++
		t.timerFires++
		t.goSite[goGoFunc]++
	}
	for i := 0; i < n; i++ {
		switch r.n(4) {
		case 0:
			timer := time.AfterFunc(time.Hour, callback)
			t.timerSite[timerStartAfterFunc]++
			timer.Stop()
			t.timerStops++
		case 1:
			time.AfterFunc(r.soon(), callback)
			t.timerSite[timerStartAfterFunc]++
			fired()
		case 2:
			timer := time.AfterFunc(time.Hour, callback)
			t.timerSite[timerStartAfterFunc]++
			timer.Reset(r.soon())
			t.timerResets++
			fired()
		case 3:
			timer := time.AfterFunc(r.soon(), callback)
			t.timerSite[timerStartAfterFunc]++
			fired()
			await(func() bool { return atomic.LoadInt64(&ran) == expected })
			timer.Reset(r.soon())
			t.timerResets++
			fired()
		}
	}
	await(func() bool { return atomic.LoadInt64(&ran) == expected })
}

//go:noinline
func startTickers(t *tally, n int) {
	for i := 0; i < n; i++ {
		ticker := time.NewTicker(time.Hour)
		t.timerSite[timerStartTickers]++
		resetTicker(t, ticker)
		ticker.Stop()
		t.timerStops++
	}
	sink += cap(time.Tick(time.Hour))
	t.timerSite[timerStartTickers]++
}

//go:noinline
func startAfter(t *tally, r *rng, n int) {
	for i := 0; i < n; i++ {
		<-time.After(r.soon())
		t.timerSite[timerStartAfter]++
		t.timerFires++
	}
	sink += cap(time.After(time.Hour)) // nobody ever receives from it
	t.timerSite[timerStartAfter]++
}

// tickOnce lets a ticker fire once. That it fired once only is certain when it was stopped before its second time;
// on a machine so busy that this cannot be told, the run says so and is to be repeated.
//
//go:noinline
func tickOnce(t *tally) {
	const period = 300 * time.Millisecond
	start := time.Now()
	ticker := time.NewTicker(period)
	t.timerSite[timerTickOnce]++
	<-ticker.C
	t.timerFires++
	ticker.Stop()
	t.timerStops++
	if time.Since(start) >= 2*period {
		t.ambiguous = true
	}
}

// useContexts starts timers and writes maps through the context package: a child is written to its parent's map and
// deleted from it, a deadline is an AfterFunc, and every end of a timer context stops its timer once.
//
//go:noinline
func useContexts(t *tally, r *rng, n int) {
	for i := 0; i < n; i++ {
		parent, cancelParent := context.WithCancel(context.Background())
		switch r.n(6) {
		case 0: // no parent that can end: no map
			_, cancel := context.WithTimeout(context.Background(), time.Hour)
			t.timerSite[timerContexts]++
			cancel()
			t.timerStops++
		case 1:
			_, cancel := context.WithCancel(parent)
			t.generic++
			t.mapSite[mapContexts]++
			cancel()
			t.deletes++
			cancel()
		case 2: // the second cancel of a timer context deletes once more
			_, cancel := context.WithTimeout(parent, time.Hour)
			t.generic++
			t.mapSite[mapContexts]++
			t.timerSite[timerContexts]++
			cancel()
			t.deletes++
			t.timerStops++
			cancel()
			t.deletes++
		case 3: // the parent ends first: the child is not deleted from its map
			_, cancel := context.WithDeadline(parent, time.Now().Add(time.Hour))
			t.generic++
			t.mapSite[mapContexts]++
			t.timerSite[timerContexts]++
			cancelParent()
			t.timerStops++
			cancel()
		case 4: // over before it began: no timer, and its cancel does not delete again
			_, cancel := context.WithTimeout(parent, -1)
			t.generic++
			t.mapSite[mapContexts]++
			t.deletes++
			cancel()
		case 5: // the deadline passes: the timer's goroutine cancels
			child, cancel := context.WithTimeout(parent, 20*time.Millisecond+r.soon())
			if child.Err() != nil {
				// So busy a machine that this cannot be told from case 4.
				t.ambiguous = true
			}
			t.generic++
			t.mapSite[mapContexts]++
			t.timerSite[timerContexts]++
			<-child.Done()
			t.timerFires++
			t.goSite[goGoFunc]++
			t.timerStops++
			t.deletes++
			await(alone) // that goroutine deletes from its parent's map: before the parent ends, please
			cancel()
			t.deletes++
		}
		cancelParent()
	}
}

//go:noinline
func sleepSome(t *tally, r *rng, n int) {
	for i := 0; i < n; i++ {
		time.Sleep(time.Duration(r.between(-100, 200)) * time.Microsecond)
		t.sleeps++
	}
}

// pause lets other threads run without any timer of Go.
func pause() {
	runtime.Gosched()
	nap := syscall.Timespec{Nsec: 100_000}
	_ = syscall.Nanosleep(&nap, nil)
}

// await polls a condition.
func await(done func() bool) {
	for !done() {
		pause()
	}
}

// alone tells that every goroutine but this one has ended, and not only said that it will: the runtime counts it down
// after the function that ends it was called.
func alone() bool { return runtime.NumGoroutine() == 1 }

// spin keeps a processor without any call, so that only a signal can preempt it.
//
//go:noinline
func spin(n int) int {
	x := n
	for i := 0; i < n; i++ {
		x = x*31 + i
	}
	return x
}

// mixture is what every worker does: a bit of everything, in an order of its own.
func mixture(t *tally, r *rng, scale int, x *int64) {
	for i := 0; i < 24; i++ {
		n := r.between(scale/2, scale)
		switch r.n(16) {
		case 0:
			write32(t, r, n)
		case 1:
			write64(t, r, n)
		case 2:
			writePointer(t, r, n)
		case 3:
			writeString(t, r, n)
		case 4:
			writeGeneric(t, r, n)
		case 5:
			writeBig(t, r, n/4)
		case 6:
			for j := 0; j < n/16; j++ {
				writeNil(t, r)
			}
		case 7:
			writeLiteral(t, n)
		case 8:
			writeReflect(t, r, n/4)
		case 9:
			removals(t, r, r.between(2, 8))
		case 10:
			spawnCall(t, n/4, x)
		case 11:
			spawnClosure(t, n/4, x)
		case 12:
			spawnNested(t, r, n/16, x)
		case 13:
			startTimers(t, r, r.between(2, 8))
		case 14:
			startAfterFunc(t, r, r.between(2, 8))
		case 15:
			sleepSome(t, r, r.between(1, 5))
		}
		if r.n(3) == 0 {
			runtime.Gosched()
		}
		if r.n(4) == 0 {
			sink += spin(r.between(1000, 200_000)) & 1
		}
	}
}

// everything does each kind once, so that no kind is left out by the draw.
func everything(t *tally, r *rng, scale int, x *int64) {
	draw := func() int { return r.between(scale/2, scale) }
	write32(t, r, draw())
	write64(t, r, draw())
	writePointer(t, r, draw())
	writeString(t, r, draw())
	writeGeneric(t, r, draw())
	writeBig(t, r, draw()/4)
	for i := r.between(5, 50); i > 0; i-- {
		writeNil(t, r)
	}
	writeLiteral(t, draw())
	writeReflect(t, r, draw()/4)
	removals(t, r, r.between(4, 16))
	spawnCall(t, draw()/2, x)
	spawnClosure(t, draw()/2, x)
	spawnNested(t, r, draw()/8, x)
	startTimers(t, r, r.between(6, 24))
	startAfterFunc(t, r, r.between(6, 24))
	startTickers(t, r.between(1, 10))
	startAfter(t, r, r.between(1, 10))
	await(alone)
	useContexts(t, r, r.between(12, 40))
	sleepSome(t, r, r.between(1, 10))
	pullValues(t, r, r.between(1, 50))
	callThroughC(t, r.between(1, 200))
}

// spawnWorkers runs f on n goroutines, each with a tally and a rng of its own, and sums what they did.
//
//go:noinline
func spawnWorkers(t *tally, r *rng, n int, f func(t *tally, r *rng, index int)) {
	var group sync.WaitGroup
	var lock sync.Mutex
	var total tally
	for i := 0; i < n; i++ {
		group.Add(1)
		index, seed := i, r.next()
		go func() {
			defer group.Done()
			own, draw := &tally{}, &rng{seed}
			f(own, draw, index)
			lock.Lock()
			total.add(own)
			lock.Unlock()
		}()
		t.goSite[goSpawnWorkers]++
	}
	group.Wait()
	t.add(&total)
}

// run is one "go SEED".
func run(seed uint64, scale int) *tally {
	t, r := &tally{}, &rng{seed}
	var x int64

	everything(t, r, scale, &x)

	// The ticker waits beside the phases below.
	ticked, tickDone := &tally{}, make(chan struct{})
	spawnTick(t, ticked, tickDone)

	// Many depths: fresh goroutines, whose small stacks grow in the probed functions.
	spawnWorkers(t, r, deepKinds*6, func(t *tally, r *rng, index int) {
		m := &deepMaps{text: map[string]int{}, number: map[int64]int{}, generic: map[pair]int{}}
		sink += deep(t, m, index%deepKinds, r.between(1, 400)) & 1
	})
	for i := 0; i < 40; i++ {
		spawnWorkers(t, r, 4, func(t *tally, r *rng, index int) {
			m := &deepMaps{text: map[string]int{}, number: map[int64]int{}, generic: map[pair]int{}}
			sink += deep(t, m, (i+index)%deepKinds, r.between(1, 60)) & 1
		})
		if i%10 == 0 {
			runtime.GC() // shrinks stacks, and moves the size that new ones have
		}
	}

	// One processor: goroutines preempt each other, and a collector them.
	before := runtime.GOMAXPROCS(1)
	spawnWorkers(t, r, 4, func(t *tally, r *rng, index int) {
		switch index {
		case 0:
			for i := 0; i < 5; i++ {
				runtime.GC()
				runtime.Gosched()
			}
		case 1:
			for i := 0; i < 10; i++ {
				sink += spin(r.between(1_000_000, 3_000_000)) & 1
			}
		default:
			mixture(t, r, scale, &x)
		}
	})
	runtime.GOMAXPROCS(before)

	// Several processors.
	spawnWorkers(t, r, 4, func(t *tally, r *rng, index int) {
		mixture(t, r, scale, &x)
		if index == 0 {
			runtime.GC()
		}
	})

	<-tickDone
	t.add(ticked)
	await(alone)
	return t
}

//go:noinline
func spawnTick(t, ticked *tally, done chan struct{}) {
	go func() {
		tickOnce(ticked)
		close(done)
	}()
	t.goSite[goSpawnTick]++
}

// appendNumber, appendSites: JSON by hand, because a library would write maps of its own.
func appendNumber(b []byte, name string, n uint64) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendUint(b, n, 10)
}

func appendSites(b []byte, name string, names []string, counts []uint64) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, '"', ':', '{')
	for i, n := range counts {
		if n != 0 {
			b = appendNumber(b, names[i], n)
		}
	}
	return append(b, '}')
}

func sum(counts []uint64) (total uint64) {
	for _, n := range counts {
		total += n
	}
	return total
}

func report(t *tally) {
	starts := sum(t.goSite[:])
	b := []byte{'{'}
	b = appendNumber(b, "goroutine_starts", starts)
	b = appendNumber(b, "goroutine_exits", starts) // every one has ended
	b = append(b, `,"map_writes":{`...)
	b = appendNumber(b, "fast32", t.fast32)
	b = appendNumber(b, "fast64", t.fast64)
	b = appendNumber(b, "faststr", t.faststr)
	b = appendNumber(b, "generic", t.generic)
	b = append(b, '}')
	b = appendNumber(b, "map_deletes", t.deletes)
	b = appendNumber(b, "map_deletes_inlined_in_reflect", t.deletesInlined) // not calls, so not counted
	b = appendNumber(b, "map_clears", t.clears)
	b = appendNumber(b, "timer_starts", sum(t.timerSite[:]))
	b = appendNumber(b, "timer_stops", t.timerStops)
	b = appendNumber(b, "timer_resets", t.timerResets)
	b = appendNumber(b, "timer_fires", t.timerFires)
	b = appendNumber(b, "sleeps", t.sleeps)
	ambiguous := uint64(0)
	if t.ambiguous {
		ambiguous = 1
	}
	b = appendNumber(b, "ambiguous", ambiguous)
	b = append(b, `,"sites":{`...)
	b = appendSites(b, "goroutine", goNames[:], t.goSite[:])
	b = appendSites(b, "map", mapNames[:], t.mapSite[:])
	b = appendSites(b, "timer", timerNames[:], t.timerSite[:])
	b = append(b, "}}\n"...)
	write(b)
}

func write(b []byte) {
	for len(b) > 0 {
		n, err := syscall.Write(1, b)
		if err != nil && err != syscall.EINTR {
			syscall.Exit(3)
		}
		if n > 0 {
			b = b[n:]
		}
	}
}

// readLine reads by the raw system call: the os package would start goroutines and timers of its own.
func readLine() (string, bool) {
	var line []byte
	var one [1]byte
	for {
		n, err := syscall.Read(0, one[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return "", false
		}
		if one[0] == '\n' {
			return string(line), true
		}
		line = append(line, one[0])
	}
}

func main() {
	for i := range words {
		words[i] = "word-" + strconv.Itoa(i)
	}
	runtime.GOMAXPROCS(4)
	// All that exists only after its first use, the runtime's GC workers above all, exists after this.
	runtime.GC()
	runtime.GC()
	run(1, 64)
	runtime.GC()

	write([]byte("ready " + strconv.Itoa(syscall.Getpid()) + "\n"))
	for {
		line, ok := readLine()
		if !ok {
			return
		}
		if len(line) < 4 || line[:3] != "go " {
			write([]byte("expected: go SEED\n"))
			syscall.Exit(2)
		}
		seed, err := strconv.ParseUint(line[3:], 10, 64)
		if err != nil {
			write([]byte("not a seed\n"))
			syscall.Exit(2)
		}
		report(run(seed, 1200))
	}
}
