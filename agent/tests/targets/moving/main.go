// Target program for the soundness of proofs: goroutines that wait, and that somebody can wake at any time, but whoever
// that is hands the only pointer on and on: between places of the heap, stacks, channels, timers, finalizers, cleanups,
// weak pointers, registers and C. None of them is dead: at the end of its input each is woken, and counted. Beside them are
// some that nobody can wake.
//
// Arguments: how many waiters of each way; MiB of heap beside; microseconds between two moves (0: none).
// First line: "ready PID {way: [goroutine id, ...]}". At the end: "woken N of M".
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

var (
	each    = argument(1, 50)
	pause   = time.Duration(argument(3, 100)) * time.Microsecond
	said    = map[string][]int64{}
	lock    sync.Mutex
	stop    int32
	woken   int64
	waiters sync.WaitGroup
	// Who holds pointers and has to let go of them at the end.
	holders sync.WaitGroup
	ballast []*[64]*int
	// To connect to ourselves.
	listener  = listen()
	accepting sync.Mutex
)

// dead is the way of those whose only pointer is let go.
const dead = "dead"

// A waker wakes one waiter. It is the only one who can.
type waker struct{ wake func() }

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener
}

// connected gives both ends of a connection.
func connected() (net.Conn, net.Conn) {
	accepting.Lock()
	defer accepting.Unlock()
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

func read(from net.Conn) {
	var buffer [1]byte
	_, _ = from.Read(buffer[:])
}

func stopping() bool { return atomic.LoadInt32(&stop) != 0 }

func goid() int64 {
	var buffer [64]byte
	text := buffer[:runtime.Stack(buffer[:], false)]
	id, err := strconv.ParseInt(string(bytes.Fields(text)[1]), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}

// waiter starts a goroutine that waits, each in another way, and gives what wakes it.
//
//go:noinline
func waiter(way string, kind int) *waker {
	var wait, wake func()
	switch kind % 6 {
	case 0:
		ch := make(chan int)
		wait, wake = func() { <-ch }, func() { close(ch) }
	case 1:
		a, b := make(chan int), make(chan int)
		wait = func() {
			select {
			case <-a:
			case <-b:
			}
		}
		wake = func() { close(b) }
	case 2:
		m := new(sync.Mutex)
		m.Lock()
		wait, wake = m.Lock, m.Unlock
	case 3:
		w := new(sync.WaitGroup)
		w.Add(1)
		wait, wake = w.Wait, w.Done
	case 4:
		c, done := sync.NewCond(new(sync.Mutex)), false
		wait = func() {
			c.L.Lock()
			for !done {
				c.Wait()
			}
			c.L.Unlock()
		}
		wake = func() { c.L.Lock(); done = true; c.Broadcast(); c.L.Unlock() }
	case 5: // each end waits for the other
		a, b := connected()
		go read(b)
		wait, wake = func() { read(a) }, func() { _ = a.Close() }
	}
	if way != dead {
		waiters.Add(1)
	}
	started := make(chan int)
	go func() {
		id := goid()
		lock.Lock()
		said[way] = append(said[way], id)
		lock.Unlock()
		close(started)
		wait()
		if way == dead {
			panic("a dead goroutine runs")
		}
		atomic.AddInt64(&woken, 1)
		waiters.Done()
	}()
	<-started
	return &waker{wake}
}

func rest() {
	if pause > 0 {
		time.Sleep(pause)
	} else {
		runtime.Gosched()
	}
}

// apart runs f on another stack, deep in it.
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
	if room[rand.Intn(len(room))] != 0 {
		panic("room")
	}
}

// inHeap moves each pointer from a place of the heap to another one, far away.
func inHeap() {
	for i := 0; i < each; i++ {
		places := make([]*[512]*waker, 64)
		for i := range places {
			places[i] = new([512]*waker)
		}
		at := 0
		places[at][0] = waiter("heap", i)
		holders.Add(1)
		go func() {
			defer holders.Done()
			for !stopping() {
				next := rand.Intn(len(places))
				swap(places, at, next)
				at = next
				rest()
			}
			places[at][0].wake()
		}()
	}
}

//go:noinline
func swap(places []*[512]*waker, from, to int) {
	if from != to {
		places[to][0], places[from][0] = places[from][0], nil
	}
}

// inChannels hands the pointers on through channels, with and without room.
func inChannels() {
	ring := make([]chan *waker, 32)
	for i := range ring {
		ring[i] = make(chan *waker, i%2*each)
	}
	var left int64 = int64(each)
	holders.Add(1)
	done := make(chan struct{})
	for i := range ring {
		from, to := ring[i], ring[(i+1)%len(ring)]
		go func() {
			for {
				select {
				case w := <-from:
					if stopping() {
						w.wake()
						if atomic.AddInt64(&left, -1) == 0 {
							close(done)
							holders.Done()
						}
						continue
					}
					rest()
					select {
					case to <- w:
					case <-done:
					}
				case <-done:
					return
				}
			}
		}()
	}
	for i := 0; i < each; i++ {
		give(ring[rand.Intn(len(ring)/2)*2+1], i)
	}
}

//go:noinline
func give(to chan *waker, i int) { to <- waiter("channels", i) }

// inTimers hands each pointer from timer to timer.
func inTimers() {
	for i := 0; i < each; i++ {
		holders.Add(1)
		arm(waiter("timers", i))
	}
}

//go:noinline
func arm(w *waker) {
	time.AfterFunc(pause+time.Duration(rand.Intn(20))*time.Millisecond, func() {
		if stopping() {
			w.wake()
			holders.Done()
			return
		}
		arm(w)
	})
}

// inStacks hands each pointer from goroutine to new goroutine.
func inStacks() {
	for i := 0; i < each; i++ {
		holders.Add(1)
		go hold(waiter("stacks", i))
	}
}

func hold(w *waker) {
	time.Sleep(pause + time.Duration(rand.Intn(2000))*time.Microsecond)
	if stopping() {
		w.wake()
		holders.Done()
		return
	}
	if rand.Intn(2) == 0 {
		deeper(w, 40)
	} else {
		go hold(w)
	}
}

// deeper makes the stack grow while it holds the pointer.
func deeper(w *waker, depth int) byte {
	var room [128]byte
	if depth == 0 {
		time.Sleep(pause)
		go hold(w)
		return 0
	}
	return room[depth] + deeper(w, depth-1)
}

// inRegisters exchanges the pointers between goroutines that never wait.
func inRegisters() {
	places := make([]unsafe.Pointer, 8)
	for i := 0; i < each; i++ {
		if i < len(places) {
			places[i] = unsafe.Pointer(waiter("registers", i))
		}
	}
	for i := 0; i < 2; i++ {
		holders.Add(1)
		go func() {
			defer holders.Done()
			spin(places)
		}()
	}
}

//go:noinline
func spin(places []unsafe.Pointer) {
	var w unsafe.Pointer
	for turn := 0; !stopping(); turn++ {
		w = atomic.SwapPointer(&places[turn%len(places)], w)
		if turn%1000 == 0 {
			rest()
		}
	}
	for _, w := range append(places, w) {
		_ = w
	}
	if w != nil {
		(*waker)(w).wake()
	}
	for i := range places {
		if w := atomic.SwapPointer(&places[i], nil); w != nil {
			(*waker)(w).wake()
		}
	}
}

// inFinalizers lets each object be found unreachable, and makes a new one of it.
type object struct {
	w    *waker
	rest [64]byte
}

func inFinalizers() {
	for i := 0; i < each; i++ {
		holders.Add(1)
		lose(waiter("finalizers", i))
	}
}

//go:noinline
func lose(w *waker) { runtime.SetFinalizer(&object{w: w}, found) }

func found(o *object) {
	if stopping() {
		o.w.wake()
		holders.Done()
		return
	}
	lose(o.w)
}

// nowhere keeps no pointer.
func nowhere() {
	for i := 0; i < each; i++ {
		waiter(dead, i)
	}
}

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
	debug.SetGCPercent(50)
	for i := argument(2, 10) * 2048; i > 0; i-- {
		b := new([64]*int)
		for i := range b {
			b[i] = new(int)
		}
		ballast = append(ballast, b)
	}
	for _, way := range append([]func(){nowhere, inHeap, inChannels, inTimers, inStacks, inRegisters, inFinalizers}, more...) {
		apart(way)
	}
	go func() { // so that finalizers are run
		for {
			time.Sleep(100 * time.Millisecond)
			runtime.GC()
		}
	}()
	lock.Lock()
	line, err := json.Marshal(said)
	lock.Unlock()
	if err != nil {
		panic(err)
	}
	fmt.Printf("ready %d %s\n", os.Getpid(), line)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
	atomic.StoreInt32(&stop, 1)
	holders.Wait()
	waiters.Wait()
	all := 0
	for way, ids := range said {
		if way != dead {
			all += len(ids)
		}
	}
	fmt.Printf("woken %d of %d\n", woken, all)
	runtime.KeepAlive(ballast)
}
