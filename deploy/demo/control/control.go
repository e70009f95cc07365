// Package control is how `cargo xtask demo` runs its services: by lines on standard input, with answers on standard output.
//
//	service: ready
//	demo:    go        (once the agent shows the service as attached)
//	demo:    stop
//	service: {"goroutine_starts":12,...}
//
// The services count their own doings, so that the demo can compare them with what the agent saw from outside. Between
// "ready" and "go", and after the counts, a service does nothing at all: no library at work, no goroutine that starts or ends.
package control

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Counts is what a service did since "go", counted where it does it. The names in JSON are the agent's.
type Counts struct {
	GoroutineStarts, GoroutineExits                          atomic.Uint64
	MapWrites, MapDeletes, MapClears                         atomic.Uint64
	TimerStarts, TimerStops, TimerResets, TimerFires, Sleeps atomic.Uint64
}

// Service is the load of a service and what it did.
type Service struct {
	Did     Counts
	begin   chan struct{}
	stopped atomic.Bool
	loops   sync.WaitGroup
	// Jobs is for work that a loop has begun and that others finish.
	Jobs sync.WaitGroup
}

// New makes a service at rest.
func New() *Service { return &Service{begin: make(chan struct{})} }

// Loop calls step again and again between "go" and "stop", on a goroutine that exists before and after.
func (s *Service) Loop(step func(round int)) {
	s.loops.Add(1)
	go func() {
		<-s.begin
		for round := 0; !s.stopped.Load(); round++ {
			step(round)
		}
		s.loops.Done()
		select {}
	}()
}

// Sleep is time.Sleep, counted.
func (s *Service) Sleep(d time.Duration) {
	s.Did.Sleeps.Add(1)
	time.Sleep(d)
}

// Run obeys until standard input ends.
func (s *Service) Run() {
	// What Go makes when it is first needed exists from here on: the collector's goroutines, and a map of a hundred entries that
	// the first timer of a module of `go 1.21` fills (internal/godebug notes that such timers have channels of the old kind).
	time.NewTimer(time.Hour).Stop()
	runtime.GC()
	runtime.GC()
	resting := runtime.NumGoroutine()
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "go":
			close(s.begin)
		case "stop":
			s.stopped.Store(true)
			s.loops.Wait()
			s.Jobs.Wait()
			s.settle(resting)
			s.print()
		}
	}
}

// settle waits until every goroutine that ends has ended, and not only said that it will.
func (s *Service) settle(resting int) {
	alive := func() int {
		return resting + int(s.Did.GoroutineStarts.Load()) - int(s.Did.GoroutineExits.Load())
	}
	for runtime.NumGoroutine() > alive() {
		s.Sleep(time.Millisecond)
	}
}

func (s *Service) print() {
	did := &s.Did
	fmt.Printf(`{"goroutine_starts":%d,"goroutine_exits":%d,"map_writes_faststr":%d,"map_deletes":%d,"map_clears":%d,`,
		did.GoroutineStarts.Load(), did.GoroutineExits.Load(), did.MapWrites.Load(), did.MapDeletes.Load(), did.MapClears.Load())
	fmt.Printf(`"timer_starts":%d,"timer_stops":%d,"timer_resets":%d,"timer_fires":%d,"sleeps":%d,`,
		did.TimerStarts.Load(), did.TimerStops.Load(), did.TimerResets.Load(), did.TimerFires.Load(), did.Sleeps.Load())
	fmt.Printf(`"goroutines":%d}`+"\n", runtime.NumGoroutine())
}
