// A small service that does what `leaky` does, and cleans up behind itself: a pool of workers, goroutines that end, timers that
// are stopped or fire, a cache whose old entries are deleted.
//
// It is an ordinary program: nothing in it knows of goroscope. It counts its own doings for `cargo xtask demo` only.
package main

import (
	"strconv"
	"sync"
	"time"

	"goroscope.example/demo/control"
)

const (
	workers = 4
	kept    = 100 // jobs that the cache remembers
)

var (
	service = control.New()
	jobs    = make(chan int)
	lock    sync.Mutex
	cache   = make(map[string]int, 2*kept)
)

// handle does a job within its deadline.
func handle(job int) {
	service.Did.TimerStarts.Add(1)
	deadline := time.NewTimer(time.Minute)
	if job%4 == 0 {
		service.Did.TimerResets.Add(1)
		deadline.Reset(2 * time.Minute)
	}
	found := make(chan int)
	service.Jobs.Add(1)
	service.Did.GoroutineStarts.Add(1)
	go lookUp(job, found)
	select {
	case result := <-found:
		remember(job, result)
	case <-deadline.C:
	}
	service.Did.TimerStops.Add(1)
	deadline.Stop()
	if job%20 == 0 {
		auditLater()
	}
}

// lookUp ends when it has been listened to.
func lookUp(job int, found chan<- int) {
	found <- job * job
	service.Did.GoroutineExits.Add(1)
	service.Jobs.Done()
}

// remember keeps the last results only.
func remember(job, result int) {
	newest, oldest := strconv.Itoa(job), strconv.Itoa(job-kept)
	lock.Lock()
	defer lock.Unlock()
	service.Did.MapWrites.Add(1)
	cache[newest] = result
	service.Did.MapDeletes.Add(1)
	delete(cache, oldest)
	if job%400 == 399 {
		service.Did.MapClears.Add(1)
		clear(cache)
	}
}

// auditLater starts a timer that fires once; time.AfterFunc runs its function on a goroutine of its own.
func auditLater() {
	service.Jobs.Add(1)
	service.Did.TimerStarts.Add(1)
	time.AfterFunc(20*time.Millisecond, func() {
		service.Did.TimerFires.Add(1)
		service.Did.GoroutineStarts.Add(1)
		service.Did.GoroutineExits.Add(1)
		service.Jobs.Done()
	})
}

func main() {
	for i := 0; i < workers; i++ {
		go func() {
			for job := range jobs {
				handle(job)
				service.Jobs.Done()
			}
		}()
	}
	// Some 200 jobs a second.
	service.Loop(func(round int) {
		service.Sleep(5 * time.Millisecond)
		service.Jobs.Add(1)
		jobs <- round
	})
	service.Run()
}
