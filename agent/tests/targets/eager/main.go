// Target program that does all its work at once, before anybody can have attached to it, and then says what it did.
//
// Prints "ready PID" and its counts as JSON on the same line, then waits. A line "exec PATH" makes it execute another
// program as the same process; the end of its input ends it.
package main

import (
	"strconv"
	"sync"
	"syscall"
	"time"
)

var numbers = map[int64]int{}

//go:noinline
func writeEagerly(n int) {
	for i := 0; i < n; i++ {
		numbers[int64(i%100)]++
	}
}

//go:noinline
func spawnEagerly(n int, group *sync.WaitGroup) {
	for i := 0; i < n; i++ {
		group.Add(1)
		go group.Done()
	}
}

//go:noinline
func startEagerly(n int) {
	for i := 0; i < n; i++ {
		time.NewTimer(time.Hour).Stop()
	}
}

func write(text string) {
	if _, err := syscall.Write(1, []byte(text)); err != nil {
		syscall.Exit(3)
	}
}

func main() {
	const writes, spawns, starts = 5000, 700, 300
	var group sync.WaitGroup
	writeEagerly(writes)
	spawnEagerly(spawns, &group)
	startEagerly(starts)
	group.Wait()
	write("ready " + strconv.Itoa(syscall.Getpid()) + ` {"sites":{"map":{"main.writeEagerly":` + strconv.Itoa(writes) +
		`},"goroutine":{"main.spawnEagerly":` + strconv.Itoa(spawns) + `},"timer":{"main.startEagerly":` + strconv.Itoa(starts) + "}}}\n")

	var line []byte
	var one [1]byte
	for {
		n, err := syscall.Read(0, one[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		if one[0] != '\n' {
			line = append(line, one[0])
			continue
		}
		switch command := string(line); {
		case len(command) > 5 && command[:5] == "exec ":
			path := command[5:]
			err := syscall.Exec(path, []string{path}, syscall.Environ())
			write("cannot execute " + path + ": " + err.Error() + "\n")
			syscall.Exit(2)
		case command == "sleep": // so that time.Sleep is there, to be broken by a test
			time.Sleep(time.Millisecond)
			write("slept\n")
		default:
			write("expected: exec PATH or sleep\n")
			syscall.Exit(2)
		}
		line = line[:0]
	}
}
