// A small service with three faults that neither crash it nor show in its log:
//
//   - each request starts a goroutine that waits for an answer that nobody will send (line `go notify`),
//   - each fourth request starts a ticker that nobody stops (time.NewTicker),
//   - a session is written for every packet, tens of thousands of times a second (remember).
//
// It is an ordinary program: nothing in it knows of goroscope. It counts its own doings for `cargo xtask demo` only.
package main

import (
	"strconv"
	"syscall"
	"time"

	"goroscope.example/demo/control"
)

type session struct {
	packets int
	seen    int
}

var (
	service  = control.New()
	users    [10_000]string
	sessions = make(map[string]session, len(users))
)

// handle answers a request.
func handle(request int) {
	answer := make(chan string)
	service.Did.GoroutineStarts.Add(1)
	go notify(request, answer) // the fault: handle returns without an answer, so notify waits for ever
	if request%4 == 0 {
		refresh(request)
	}
}

// notify tells somebody how a request ended.
func notify(request int, answer <-chan string) {
	println(request, <-answer)
	service.Did.GoroutineExits.Add(1)
}

// refresh renews a session each hour.
func refresh(request int) *time.Ticker {
	service.Did.TimerStarts.Add(1)
	return time.NewTicker(time.Hour) // the fault: nobody keeps it, so nobody can stop it
}

// remember notes that a user was seen.
func remember(user string, packet int) {
	service.Did.MapWrites.Add(1)
	sessions[user] = session{packets: packet, seen: packet}
}

func main() {
	for i := range users {
		users[i] = "user-" + strconv.Itoa(i)
		sessions[users[i]] = session{}
	}
	// 20 requests a second.
	service.Loop(func(round int) {
		service.Sleep(50 * time.Millisecond)
		handle(round)
	})
	// Tens of thousands of packets a second, a few at a time: finer than time.Sleep can.
	service.Loop(func(round int) {
		nap := syscall.Timespec{Nsec: 200_000}
		_ = syscall.Nanosleep(&nap, nil)
		for i := 0; i < 12; i++ {
			packet := round*12 + i
			remember(users[packet*7919%len(users)], packet)
		}
	})
	service.Run()
}
