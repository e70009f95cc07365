// Work that one can count, for benchmarks. Every mode ends when its standard input does.
//
//	work map|spawn DURATION    says "ready", waits for a line, then writes a map or starts goroutines for so long (0: for ever)
//	work beat DURATION         writes a map once a millisecond, at once; then prints when each write was made
//	work idle                  a service that has nothing to do
//	work exit                  ends at once
//	work measure TIMES CMD...  runs a command: wall clock, CPU time and peak memory of each run
//
// Lines of map and spawn: nanoseconds of wall clock, of CPU time, operations, goroutines ever started; behind "ready", each 100 ms,
// and behind "done".
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var stdin = bufio.NewReader(os.Stdin)

func main() {
	if len(os.Args) < 2 {
		fail("no mode")
	}
	switch os.Args[1] {
	case "map":
		m := make(map[uint64]uint64, 1024)
		run(4096, func(i uint64) { m[i&1023] = i })
	case "spawn":
		var wait sync.WaitGroup
		done := wait.Done
		run(256, func(uint64) {
			wait.Add(1)
			go done()
			wait.Wait()
		})
	case "beat":
		beat()
	case "idle":
		idle()
	case "exit":
	case "measure":
		measure()
	default:
		fail("unknown mode")
	}
}

// run does operations in slices until the time is over, and says how far it is.
func run(slice uint64, operation func(uint64)) {
	length := duration()
	// What the runtime starts at its first collection is there before anything is counted.
	runtime.GC()
	fmt.Println("ready", line(0, 0))
	if _, err := stdin.ReadString('\n'); err != nil {
		return
	}
	start, next := time.Now(), time.Duration(0)
	for i := uint64(0); ; {
		for end := i + slice; i < end; i++ {
			operation(i)
		}
		wall := time.Since(start)
		if length > 0 && wall >= length {
			fmt.Println("done", line(wall, i))
			break
		}
		if wall >= next {
			fmt.Println(line(wall, i))
			next = wall + 100*time.Millisecond
		}
	}
	untilEOF()
}

func line(wall time.Duration, operations uint64) string {
	return fmt.Sprint(int64(wall), " ", cpu(syscall.RUSAGE_SELF), " ", operations, " ", started())
}

// started is the runtime's own count of goroutines ever started, -1 before Go 1.26.
func started() int64 {
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return -1
	}
	return int64(sample[0].Value.Uint64())
}

func cpu(who int) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		fail(err.Error())
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func beat() {
	length := duration()
	m := make(map[uint64]uint64, 16)
	times := make([]int64, 0, 1+length/time.Millisecond)
	for start := time.Now(); time.Since(start) < length; time.Sleep(time.Millisecond) {
		now := time.Now()
		m[uint64(len(times))&7] = 1
		times = append(times, now.UnixNano())
	}
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprint(out, "done")
	for _, t := range times {
		fmt.Fprint(out, " ", t)
	}
	fmt.Fprintln(out)
	out.Flush()
	untilEOF()
}

func idle() {
	for range 10 {
		go func() {
			for range time.Tick(time.Second) {
			}
		}()
	}
	fmt.Println("ready")
	untilEOF()
}

func measure() {
	times, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fail(err.Error())
	}
	for range times {
		cmd := exec.Command(os.Args[3], os.Args[4:]...)
		cmd.Stderr = os.Stderr
		start := time.Now()
		if err := cmd.Run(); err != nil {
			fail(err.Error())
		}
		wall := time.Since(start)
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		fmt.Println(int64(wall), usage.Utime.Nano()+usage.Stime.Nano(), usage.Maxrss*1024)
	}
}

func duration() time.Duration {
	if len(os.Args) < 3 {
		fail("no duration")
	}
	length, err := time.ParseDuration(os.Args[2])
	if err != nil {
		fail(err.Error())
	}
	return length
}

func untilEOF() {
	_, _ = io.Copy(io.Discard, stdin)
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "work:", why)
	os.Exit(2)
}
