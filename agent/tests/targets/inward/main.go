// Target program for proofs: crowds of goroutines that lead to nothing outside of the process, and others that do. It says which are
// which by one goroutine id of each, in one line of JSON: {"inward": {way: id, ...}, "outward": {...}}. Ends with its input.
//
// Argument: how many goroutines of each way.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	said = map[string]map[string]int64{"inward": {}, "outward": {}}
	each int
	// What the inward ones wait on, too, is known to others.
	held []any
	ids  = make(chan int64, 1)
	lock sync.Mutex
)

func goid() int64 {
	var buffer [64]byte
	fields := strings.Fields(string(buffer[:runtime.Stack(buffer[:], false)]))
	id, err := strconv.ParseInt(fields[1], 10, 64)
	check(err)
	return id
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "inward:", err)
		os.Exit(1)
	}
}

// start tells its id where it is the first of its kind.
func start(index int) {
	if index == 0 {
		ids <- goid()
	}
}

func tell(class, way string) { said[class][way] = <-ids }

type subscriber struct {
	events chan int
	hub    *hub
}

type hub struct {
	lock        sync.Mutex
	subscribers map[int]*subscriber
}

// stream is one of many over one connection.
type stream struct {
	connection *connection
	events     chan int
}

type connection struct {
	conn    net.Conn
	streams map[int]*stream
}

func channels() {
	for i := 0; i < each; i++ {
		events := make(chan int)
		held = append(held, events)
		go func(i int) { start(i); <-events }(i)
	}
	tell("inward", "channel")
}

func hubs() {
	h := &hub{subscribers: map[int]*subscriber{}}
	held = append(held, h)
	for i := 0; i < each; i++ {
		s := &subscriber{make(chan int), h}
		h.subscribers[i] = s
		go func(i int) {
			start(i)
			for range s.events {
				s.hub.lock.Lock()
			}
		}(i)
	}
	tell("inward", "hub")
}

func sleepers() {
	for i := 0; i < each; i++ {
		go func(i int) {
			start(i)
			for {
				time.Sleep(50 * time.Millisecond)
			}
		}(i)
	}
	tell("inward", "sleep")
}

func locked() {
	lock.Lock()
	for i := 0; i < each; i++ {
		go func(i int) { start(i); lock.Lock() }(i)
	}
	tell("inward", "lock")
}

func loggers() {
	logger := log.New(os.Stderr, "", 0)
	for i := 0; i < each; i++ {
		words := make(chan string)
		held = append(held, words)
		go func(i int) { start(i); logger.Println(<-words) }(i)
	}
	tell("inward", "logger")
}

func streams(c *connection) {
	for i := 0; i < each; i++ {
		s := &stream{c, make(chan int)}
		c.streams[i] = s
		out := make(chan int)
		// Knows the stream by nothing but the channel that somebody has who knows it.
		go func(i int, in, out chan int) {
			start(i)
			handOn(in, out)
		}(i, s.events, out)
		go func() {
			for {
				select {
				case <-out:
				case <-time.After(time.Duration(1+i%9) * time.Millisecond):
				}
				time.Sleep(5 * time.Millisecond)
				_ = s.connection.conn.SetDeadline(time.Time{})
			}
		}()
	}
	tell("outward", "hands on")
	for i := 0; i < each; i++ {
		s := c.streams[i]
		go func(i int) {
			start(i)
			for range s.events {
				_, _ = s.connection.conn.Write([]byte{1})
			}
		}(i)
	}
	tell("outward", "stream")
}

//go:noinline
func handOn(in, out chan int) {
	for event := range in {
		out <- event
	}
}

func contexts(c *connection) {
	type key struct{}
	for i := 0; i < each; i++ {
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, c))
		held = append(held, cancel)
		go func(i int) { start(i); <-ctx.Done() }(i)
	}
	tell("outward", "context")
}

func beats(c *connection) {
	for i := 0; i < each; i++ {
		go func(i int) {
			start(i)
			for {
				time.Sleep(50 * time.Millisecond)
				_ = c.conn.SetDeadline(time.Time{})
			}
		}(i)
	}
	tell("outward", "heartbeat")
}

func files() {
	file, err := os.Open(os.Args[0])
	check(err)
	held = append(held, file)
	for i := 0; i < each; i++ {
		lines := make(chan string)
		held = append(held, lines)
		go func(i int) {
			start(i)
			fmt.Fprintln(file, <-lines)
		}(i)
	}
	tell("outward", "file")
}

func connect() *connection {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	conn, err := net.Dial("tcp", listener.Addr().String())
	check(err)
	accepted, err := listener.Accept()
	check(err)
	held = append(held, accepted)
	c := &connection{conn, map[int]*stream{}}
	held = append(held, c)
	return c
}

func main() {
	var err error
	each, err = strconv.Atoi(os.Args[1])
	check(err)
	c := connect()
	// On stacks of their own, so that nothing stays behind on that of main, which leads outside.
	for _, ways := range []func(){channels, hubs, sleepers, locked, loggers, func() { streams(c) }, func() { contexts(c) }, func() { beats(c) }, files} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			ways()
		}()
		<-done
	}
	text, err := json.Marshal(said)
	check(err)
	fmt.Println("ready", os.Getpid(), string(text))
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
}
