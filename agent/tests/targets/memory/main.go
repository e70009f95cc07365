// Target program for what memory tells: it creates, blocks and ends goroutines in every way, as a seed draws it, comes to
// rest, and says what its own runtime knows. One argument: a directory that its profiles are written to.
//
// "go SEED" does the work, writes the dump of all goroutines (pprof's debug=2) to DIR/dump and the goroutine profile
// (debug=1) to DIR/profile, and answers with one line of JSON: runtime.NumGoroutine, MemStats, runtime/metrics and what it
// did itself. "word" answers with such a line and does nothing else. In between nothing runs: it waits in read(2).
package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const late = 24 * time.Hour

var (
	sink    int
	created uint64 // go statements of this package, timers' functions and coroutines included
	ended   uint64
	calls   uint64 // of main.deep that are on stacks now
	forever = make(chan struct{})
	release []func() // what ends some of the goroutines that wait
)

// rng is splitmix64.
type rng struct{ state uint64 }

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// n draws from 1 to n.
func (r *rng) n(n int) int { return 1 + int(r.next()%uint64(n)) }

// mark counts a goroutine.
func mark() { atomic.AddUint64(&created, 1) }

// done counts an end.
func done() { atomic.AddUint64(&ended, 1) }

// deep waits at the bottom of a recursion, in frames of 100 to 300 bytes: the stack grows and is copied on the way.
//
//go:noinline
func deep(depth int, wait func()) int {
	var frame [17]int
	if depth <= 1 {
		wait()
		return frame[len(os.Args)]
	}
	frame[depth%17] = deep(depth-1, wait)
	return frame[(depth*5)%17] + 1
}

// big has a frame that no small stack holds.
//
//go:noinline
func big(wait func()) int {
	var frame [9000]byte
	for i := range frame {
		frame[i] = byte(len(os.Args))
	}
	wait()
	return int(frame[len(os.Args)])
}

// Inlined, one into the other.
func innermost(c chan int) int { return <-c }
func inner(c chan int) int     { return innermost(c) + 1 }
func outer(c chan int) int     { return inner(c) + 2 }

type waiter struct {
	lock sync.Mutex
	c    chan struct{}
}

//go:noinline
func (w *waiter) wait() { <-w.c }

// byValue gets a wrapper when it is called by pointer, through an interface.
//
//go:noinline
func (w valued) wait() { <-w.c }

type (
	valued  struct{ c chan struct{} }
	waiting interface{ wait() }
)

//go:noinline
func generic[T any](values chan T) T { return <-values }

type pair[K comparable, V any] struct {
	key   K
	value chan V
}

//go:noinline
func (p *pair[K, V]) get() V { return <-p.value }

// fault panics by a nil pointer; the deferred function waits on the stack of the panic.
//
//go:noinline
func fault(w *waiter, wait func()) {
	defer wait()
	sink += len(w.c)
}

//go:noinline
func panics(wait func()) {
	defer wait()
	panic("for the stack")
}

//go:noinline
func goexits(wait func()) {
	defer wait()
	runtime.Goexit()
}

// block starts n goroutines that wait in every way that has no end, or one that release brings.
//
//go:noinline
func block(r *rng, most int) {
	quit := make(chan struct{})
	each := func(f func()) int {
		n := r.n(most)
		for i := n; i > 0; i-- {
			mark()
			go f()
		}
		return n
	}
	until := func(f func()) int { // those that end with quit
		return each(func() { f(); done() })
	}
	until(func() { <-quit })
	until(func() {
		select {
		case <-quit:
		case <-forever:
		}
	})
	until(func() { (&waiter{c: quit}).wait() })
	recursive := uint64(10 * until(func() { deep(10, func() { <-quit }) }))
	calls += recursive

	// The channels.
	full, empty := make(chan int), make(chan int)
	each(func() { full <- 1 })
	each(func() { sink += outer(empty) })
	each(func() { sink += inner(empty) })
	each(func() { var never chan int; <-never })
	each(func() { var never chan int; never <- 1 })
	each(func() { select {} })
	each(func() {
		for range empty {
		}
	})
	each(func() {
		timer := time.NewTimer(late)
		select {
		case <-timer.C:
		case full <- 2:
		case x := <-empty:
			sink += x
		}
	})
	each(func() { sink += generic(empty) })
	each(func() { sink += len(generic(make(chan string))) })
	each(func() { (&pair[string, int]{"a", empty}).get() })

	// Locks.
	lock, rw := &sync.Mutex{}, &sync.RWMutex{}
	lock.Lock()
	rw.Lock()
	each(func() { lock.Lock() })
	each(func() { rw.RLock() })
	each(func() { rw.Lock() })
	group := &sync.WaitGroup{}
	group.Add(1)
	each(group.Wait)
	cond := sync.NewCond(&sync.Mutex{})
	each(func() {
		cond.L.Lock()
		cond.Wait()
	})
	once := &sync.Once{}
	each(func() { once.Do(func() { <-forever }) })

	// Time.
	each(func() { time.Sleep(late) })
	each(func() { <-time.After(late) })
	each(func() {
		for range time.NewTicker(late).C {
		}
	})

	// The kernel.
	each(func() {
		reader, writer, err := os.Pipe()
		must(err)
		_, _ = reader.Read(make([]byte, 1))
		_ = writer.Close() // never; it keeps the other end
	})
	for i := r.n(3); i > 0; i-- {
		mark()
		go inSystemCall()
	}
	mark()
	go func() {
		runtime.LockOSThread()
		<-forever
	}()

	// Methods, and statements that the compiler wraps.
	for i := r.n(most); i > 0; i-- {
		w := &waiter{c: forever}
		mark()
		go w.wait()
		mark()
		go valued{forever}.wait()
		var any waiting = &valued{forever}
		mark()
		go any.wait()
		method := any.wait
		mark()
		go method()
		mark()
		go deep(2, method)
		calls += 2
		mark()
		go func(a, b, c int, wait func()) { sink += a + b + c; wait() }(i, i, i, any.wait)
	}

	// Panics.
	each(func() { fault(nil, func() { <-forever }) })
	each(func() { panics(func() { <-forever }) })
	each(func() { goexits(func() { <-forever }) })

	// Depths, also after the stack grew.
	for i := r.n(most); i > 0; i-- {
		for _, depth := range []int{r.n(90), r.n(400), 400} {
			depth := depth
			calls += uint64(depth)
			mark()
			go func() { deep(depth, func() { <-forever }) }()
			if r.n(2) == 1 {
				calls += uint64(depth)
				mark()
				go deep(depth, lock.Lock)
			}
		}
		mark()
		go func() { sink += big(func() { <-forever }) }()
		mark()
		go func() { sink += big(func() { sink += outer(empty) }) }()
		mark()
		go func() { // grows, and comes back
			sink += big(func() {}) + deep(300, func() {})
			<-forever
		}()
	}

	// A goroutine of package time.
	mark()
	time.AfterFunc(time.Millisecond, func() { <-forever })

	n := coroutines(r)
	atomic.AddUint64(&created, n)
	foreign(r)
	release = append(release, func() { close(quit); calls -= recursive })
}

// inSystemCall reads from a pipe that nobody writes to, by the system call itself.
//
//go:noinline
func inSystemCall() {
	var pipe [2]int
	must(syscall.Pipe(pipe[:]))
	_, _ = syscall.Read(pipe[0], make([]byte, 1))
}

// churn starts goroutines that end, by return, Goexit or a panic that is recovered, some of them from goroutines of their own.
//
//go:noinline
func churn(r *rng, n int) {
	var group sync.WaitGroup
	for i := 0; i < n; i++ {
		group.Add(1)
		mark()
		switch r.n(5) {
		case 1:
			go func() { defer done(); defer group.Done() }()
		case 2:
			go func() { defer done(); defer group.Done(); runtime.Goexit() }()
		case 3:
			go func() {
				defer done()
				defer group.Done()
				defer func() { _ = recover() }()
				panic("over")
			}()
		case 4:
			depth := r.n(200)
			go func() { defer done(); defer group.Done(); deep(depth, runtime.Gosched) }()
		case 5:
			go func() {
				defer done()
				mark()
				go func() { defer done(); defer group.Done(); time.Sleep(time.Microsecond) }()
			}()
		}
		if i%256 == 255 {
			group.Wait()
		}
	}
	group.Wait()
}

func work(r *rng) {
	runtime.GOMAXPROCS(r.n(6))
	debug.SetGCPercent(20 + r.n(500))
	if r.n(2) == 1 {
		debug.SetMemoryLimit(int64(200+r.n(2000)) << 20)
	} else {
		debug.SetMemoryLimit(math.MaxInt64)
	}
	for i, f := range release {
		if i%2 == 0 || r.n(2) == 1 {
			f()
			release[i] = func() {}
		}
	}
	churn(r, 500+r.n(3000))
	block(r, 6)
	churn(r, r.n(500))
	garbage := make([][]byte, 0)
	for i := r.n(200); i > 0; i-- {
		garbage = append(garbage, make([]byte, r.n(40_000)))
	}
	sink += len(garbage)
	for i := r.n(4) - 1; i > 0; i-- {
		runtime.GC()
	}
}

var header = []byte("\ngoroutine ")

// atRest waits until no goroutine but this one can run, and gives the dump that says so.
func atRest() []byte {
	dump := make([]byte, 8<<20)
	for {
		time.Sleep(5 * time.Millisecond)
		dump = dump[:runtime.Stack(dump[:cap(dump)], true)]
		if !bytes.Contains(dump, []byte(" [runnable")) && bytes.Count(dump, []byte(" [running")) == 1 &&
			uint64(1+bytes.Count(dump, header)) == uint64(runtime.NumGoroutine()) && uint64(runtime.NumGoroutine()) == alive() {
			return dump
		}
	}
}

// alive is how many goroutines there must be: this one, and what was created and has not ended.
func alive() uint64 { return 1 + base + atomic.LoadUint64(&created) - atomic.LoadUint64(&ended) }

// base is what runs beside ours: goroutines that packages started.
var base uint64

func profiles(directory string) {
	// Everything that the profile itself starts or allocates is there before the figures are read.
	dump := atRest()
	var profile bytes.Buffer
	must(pprof.Lookup("goroutine").WriteTo(&profile, 1))
	must(os.WriteFile(filepath.Join(directory, "dump"), dump, 0o644))
	must(os.WriteFile(filepath.Join(directory, "profile"), profile.Bytes(), 0o644))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// The runtime's figures, in memory that is there before they are read.
var (
	stats   runtime.MemStats
	samples []metrics.Sample
	out     = make([]byte, 0, 1<<20)
)

// word answers with what the runtime says now. It allocates nothing.
func word() {
	runtime.ReadMemStats(&stats) // what processors have counted by themselves goes to the sums
	metrics.Read(samples)
	out = append(out[:0], '{')
	number("goroutines", uint64(runtime.NumGoroutine()))
	number("created", atomic.LoadUint64(&created))
	number("ended", atomic.LoadUint64(&ended))
	number("deep", calls)
	number("gomaxprocs", uint64(runtime.GOMAXPROCS(0)))
	number("total_alloc", stats.TotalAlloc)
	number("mallocs", stats.Mallocs)
	number("frees", stats.Frees)
	number("next_gc", stats.NextGC)
	number("num_gc", uint64(stats.NumGC))
	number("num_forced_gc", uint64(stats.NumForcedGC))
	number("pause_total_ns", stats.PauseTotalNs)
	number("stack_inuse", stats.StackInuse)
	for i := range samples {
		switch value := samples[i].Value; value.Kind() {
		case metrics.KindUint64:
			number(samples[i].Name, value.Uint64())
		case metrics.KindFloat64:
			name(samples[i].Name)
			out = strconv.AppendFloat(out, value.Float64(), 'g', -1, 64)
		case metrics.KindFloat64Histogram:
			histogram(samples[i].Name, value.Float64Histogram())
		}
	}
	write(append(out, '}', '\n'))
}

func name(text string) {
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	out = append(out, '"')
	out = append(out, text...)
	out = append(out, '"', ':')
}

func number(text string, value uint64) {
	name(text)
	out = strconv.AppendUint(out, value, 10)
}

// histogram lists the lower bound and the count of each bucket that is not empty.
func histogram(text string, value *metrics.Float64Histogram) {
	name(text)
	out = append(out, '[')
	for i, count := range value.Counts {
		if count == 0 {
			continue
		}
		if out[len(out)-1] != '[' {
			out = append(out, ',')
		}
		out = append(out, '[')
		lower := value.Buckets[i]
		if math.IsInf(lower, -1) {
			lower = 0
		}
		out = strconv.AppendFloat(out, lower, 'g', -1, 64)
		out = append(out, ',')
		out = strconv.AppendUint(out, count, 10)
		out = append(out, ']')
	}
	out = append(out, ']')
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

var line = make([]byte, 0, 64)

// readLine reads by the raw system call into memory of its own: nothing is allocated while somebody may look.
func readLine() bool {
	line = line[:0]
	for {
		n, err := syscall.Read(0, line[len(line):len(line)+1])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return false
		}
		line = line[:len(line)+1]
		if line[len(line)-1] == '\n' {
			line = line[:len(line)-1]
			return true
		}
	}
}

func main() {
	for _, description := range metrics.All() {
		switch description.Kind {
		case metrics.KindUint64, metrics.KindFloat64, metrics.KindFloat64Histogram:
			samples = append(samples, metrics.Sample{Name: description.Name})
		}
	}
	runtime.GOMAXPROCS(6)
	runtime.GC()
	metrics.Read(samples) // makes what it keeps
	base = uint64(runtime.NumGoroutine()) - 1
	write([]byte("ready " + strconv.Itoa(os.Getpid()) + "\n"))
	for readLine() {
		if string(line) == "word" {
			word()
			continue
		}
		if len(line) < 4 || string(line[:3]) != "go " {
			write([]byte("expected: go SEED, or word\n"))
			syscall.Exit(2)
		}
		seed, err := strconv.ParseUint(string(line[3:]), 10, 64)
		must(err)
		work(&rng{seed})
		profiles(os.Args[1])
		metrics.Read(samples)
		word()
	}
}
