// Target program for proofs: goroutines that can never run again, in many ways, and goroutines that only look so. It
// says which are which by goroutine id, in one line of JSON: {"dead": {way: [id, ...]}, "live": {...}, "timed": {...}}.
// "timed" are live as well, and a timer is pending that will end their wait, in about 10 minutes.
//
// Arguments: how many goroutines of each way; MiB of heap of small objects with pointers, and of bytes (default 0).
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

const late = 10 * time.Minute

var (
	said = map[string]map[string][]int64{"dead": {}, "live": {}, "timed": {}}
	lock sync.Mutex
)

func goid() int64 {
	var buffer [64]byte
	text := buffer[:runtime.Stack(buffer[:], false)]
	id, err := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}

// way starts one goroutine that waits as wait does; what it returns has been said by then.
func way(class, name string, wait func()) {
	started := make(chan struct{})
	go func() {
		id := goid()
		lock.Lock()
		said[class][name] = append(said[class][name], id)
		lock.Unlock()
		close(started)
		wait()
		panic(class + " " + name + " has run again")
	}()
	<-started
}

// apart runs f on a stack of its own, so that nothing of it stays behind on the caller's; and deep in it, since the
// next goroutine gets that stack as it is.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		deep(f)
	}()
	<-done
}

//go:noinline
func deep(f func()) {
	var room [2048]byte
	f()
	sink += uint64(room[goid()%int64(len(room))])
}

type holder struct {
	name string
	ch   chan int
}

func (h *holder) wait() { <-h.ch }

type node struct {
	a, b *node
	ch   chan int
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener
}

// connected gives both ends of a connection.
func connected() (net.Conn, net.Conn) {
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		panic(err)
	}
	return dialed, accepted
}

func read(from io.Reader) func() {
	return func() { _, _ = from.Read(make([]byte, 1)) }
}

// bothEnds starts two who read from each other, after hold was given one end.
func bothEnds(class, name string, hold func(net.Conn)) {
	a, b := connected()
	hold(a)
	way(class, name, read(a))
	way(class, name, read(b))
}

func dead() {
	way("dead", "captured", func() func() { ch := make(chan int); return func() { <-ch } }())
	way("dead", "sender", func() func() { ch := make(chan *int); return func() { ch <- new(int) } }())
	way("dead", "holder", (&holder{"h", make(chan int)}).wait)
	way("dead", "mutex", func() func() { m := new(sync.Mutex); m.Lock(); return m.Lock }())
	way("dead", "rwmutex-write", func() func() { m := new(sync.RWMutex); m.RLock(); return m.Lock }())
	way("dead", "rwmutex-read", func() func() { m := new(sync.RWMutex); m.Lock(); return m.RLock }())
	way("dead", "waitgroup", func() func() { w := new(sync.WaitGroup); w.Add(1); return w.Wait }())
	way("dead", "cond", func() func() {
		c := sync.NewCond(new(sync.Mutex))
		return func() { c.L.Lock(); c.Wait() }
	}())
	way("dead", "select", func() func() {
		a, b := make(chan int), make(chan string)
		return func() {
			select {
			case <-a:
			case b <- "":
			}
		}
	}())
	way("dead", "nil channel", func() { var ch chan int; <-ch })
	way("dead", "select{}", func() { select {} })
	way("dead", "context", func() func() {
		ctx, cancel := context.WithCancel(context.Background())
		_ = cancel
		return func() { <-ctx.Done() }
	}())
	a, b := &node{ch: make(chan int)}, &node{ch: make(chan int)}
	a.a, a.b, b.a, b.b = a, b, b, a
	way("dead", "pair", func() { <-a.ch; b.ch <- 1 })
	way("dead", "pair", func() { <-b.ch; a.ch <- 1 })
	bothEnds("dead", "connection to itself", func(net.Conn) {})
}

var (
	globalChannel = make(chan int)
	globalLock    sync.Mutex
	globalGroup   sync.WaitGroup
	globalCond    = sync.NewCond(new(sync.Mutex))
	registry      = map[int]*holder{}
	parent, stop  = context.WithCancel(context.Background())
	pipes         []*os.File
	listener      = listen()
	connections   []net.Conn
	sink          uint64
	heap          []*node
)

type finalized struct {
	name string
	ch   chan int
}

//go:noinline
func drop(ch chan int) {
	runtime.SetFinalizer(&finalized{"f", ch}, func(f *finalized) { close(f.ch) })
}

//go:noinline
func dropClosure(ch chan int) {
	runtime.SetFinalizer(&finalized{name: "f"}, func(*finalized) { close(ch) })
}

// keep holds ch on its stack while hold runs.
//
//go:noinline
func keep(ch chan int, hold func()) {
	hold()
	close(ch)
}

func live() {
	way("live", "global channel", func() { <-globalChannel })
	way("live", "global lock", globalLock.Lock)
	way("live", "global WaitGroup", globalGroup.Wait)
	way("live", "global Cond", func() { globalCond.L.Lock(); globalCond.Wait() })
	h := &holder{"r", make(chan int)}
	registry[len(registry)] = h
	way("live", "registry", h.wait)
	child, cancel := context.WithCancel(parent)
	_ = cancel
	way("live", "child of a live context", func() { <-child.Done() })
	drops := [2]chan int{make(chan int), make(chan int)}
	way("live", "finalizer", func() { <-drops[0] })
	drop(drops[0])
	closure := make(chan int)
	way("live", "finalizer's closure", func() { <-closure })
	dropClosure(closure)
	for name, hold := range map[string]func(){
		"held by a sleeper": func() { time.Sleep(2 * late) },
		"held by a reader":  func() { r, w, _ := os.Pipe(); pipes = append(pipes, w); r.Read(make([]byte, 1)) },
		"held by a waiter":  func() { globalGroup.Wait() },
	} {
		ch, hold := make(chan int), hold
		way("live", name, func() { <-ch })
		started := make(chan struct{})
		go keep(ch, func() { close(started); hold() })
		<-started
	}
	bothEnds("live", "connection to itself", func(end net.Conn) { connections = append(connections, end) })
	bothEnds("live", "connection held by a sleeper", func(end net.Conn) {
		started := make(chan struct{})
		go func() { close(started); time.Sleep(2 * late); _ = end.Close() }()
		<-started
	})
	one, _ := connected()
	_ = one.SetReadDeadline(time.Now().Add(late))
	way("live", "connection with a deadline", read(one))
	more()
	bothEnds("timed", "connection that a timer closes", func(end net.Conn) { time.AfterFunc(late, func() { _ = end.Close() }) })
	fromPipe, toPipe, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	time.AfterFunc(late, func() { _ = toPipe.Close() })
	way("timed", "pipe that a timer closes", read(fromPipe))
	way("timed", "time.After", func() { <-time.After(late) })
	way("timed", "timer", func() { t := time.NewTimer(late); defer t.Stop(); <-t.C })
	deadline, cancel := context.WithTimeout(context.Background(), late)
	_ = cancel
	way("timed", "deadline", func() { <-deadline.Done() })
	under, cancel := context.WithCancel(deadline)
	_ = cancel
	way("timed", "child of a deadline", func() { <-under.Done() })
	after := make(chan int)
	time.AfterFunc(late, func() { close(after) })
	way("timed", "AfterFunc", func() { <-after })
}

// spin holds ch in a register, or on its stack, and never stops.
func spin(ch chan int, turn *uint64) {
	for {
		for i := 0; i < 1<<20; i++ {
			sink += uint64(cap(ch))
		}
		*turn++
	}
}

func fill(scan, noscan int) {
	const objects = (1 << 20) / 24
	for ; scan > 0; scan-- {
		nodes := make([]*node, objects)
		for i := range nodes {
			nodes[i] = &node{}
			if i > 0 {
				nodes[i].a, nodes[i].b = nodes[i-1], nodes[i/2]
			}
		}
		heap = append(heap, nodes[objects-1])
	}
	for ; noscan > 0; noscan-- {
		filled := make([]byte, 1<<20)
		for i := range filled {
			filled[i] = byte(i)
		}
		bytesHeld = append(bytesHeld, filled)
	}
}

var bytesHeld [][]byte

func argument(index, otherwise int) int {
	if len(os.Args) <= index {
		return otherwise
	}
	number, err := strconv.Atoi(os.Args[index])
	if err != nil {
		panic(err)
	}
	return number
}

func main() {
	debug.SetGCPercent(-1) // finalizers and weak pointers are to stay as they are
	globalLock.Lock()
	globalGroup.Add(1)
	fill(argument(2, 0), argument(3, 0))
	for i := argument(1, 25); i > 0; i-- {
		apart(dead)
		apart(live)
	}
	var turn uint64
	if argument(1, 25) > 0 {
		apart(func() {
			ch := make(chan int)
			way("live", "held by one that runs", func() { <-ch })
			go spin(ch, &turn)
		})
	}
	lock.Lock()
	line, err := json.Marshal(said)
	lock.Unlock()
	if err != nil {
		panic(err)
	}
	fmt.Printf("ready %d %s\n", os.Getpid(), line)
	go ticker()
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		fmt.Println(worst())
	}
	// What is held by the goroutines of main and by nothing else.
	runtime.KeepAlive(registry)
}

var (
	lates     [4096]int64
	latesLock sync.Mutex
	ticks     int
)

// ticker remembers how late each tick of 1 ms was.
func ticker() {
	last := time.Now()
	for range time.Tick(time.Millisecond) {
		now := time.Now()
		latesLock.Lock()
		lates[ticks%len(lates)] = int64(now.Sub(last))
		ticks++
		latesLock.Unlock()
		last = now
	}
}

// worst says how far apart the ticks since the last call were: p50, p99 and the longest, ns.
func worst() string {
	latesLock.Lock()
	n := ticks
	if n > len(lates) {
		n = len(lates)
	}
	taken := append([]int64(nil), lates[:n]...)
	ticks = 0
	latesLock.Unlock()
	if len(taken) == 0 {
		return "0 0 0"
	}
	for i := 1; i < len(taken); i++ {
		for j := i; j > 0 && taken[j-1] > taken[j]; j-- {
			taken[j-1], taken[j] = taken[j], taken[j-1]
		}
	}
	return fmt.Sprint(taken[len(taken)/2], taken[len(taken)*99/100], taken[len(taken)-1])
}
