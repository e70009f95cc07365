// Jobs are run as child processes that write into a pipe of which this process keeps the writing end until the child has ended, as
// cmd.Stdout does with a file. They are silent for minutes: who reads waits for them, and both ends are open here.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"sync"
	"time"
)

type runner struct {
	mu    sync.Mutex
	lines int
	jobs  map[int]*os.File
}

func (r *runner) run(id int, long time.Duration) {
	program, err := os.Executable()
	if err != nil {
		return
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return
	}
	command := exec.Command(program, "job", long.String())
	command.Stdout = writer
	if err := command.Start(); err != nil {
		return
	}
	r.mu.Lock()
	r.jobs[id] = writer
	r.mu.Unlock()
	go func() {
		defer reader.Close()
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			r.mu.Lock()
			r.lines++
			r.mu.Unlock()
		}
	}()
	_ = command.Wait()
	_ = writer.Close()
	r.mu.Lock()
	delete(r.jobs, id)
	r.mu.Unlock()
}

func job(long string) {
	duration, err := time.ParseDuration(long)
	if err != nil {
		return
	}
	fmt.Println("begun")
	time.AfterFunc(duration, func() { fmt.Println("done"); os.Exit(0) })
	// With its parent it ends, too.
	parent := os.Getppid()
	for os.Getppid() == parent {
		time.Sleep(time.Second)
	}
}

func main() {
	if len(os.Args) > 2 {
		job(os.Args[2])
		return
	}
	r := &runner{jobs: map[int]*os.File{}}
	go func() {
		for id := 0; ; id++ {
			go r.run(id, time.Duration(180+rand.Intn(300))*time.Second)
			time.Sleep(time.Duration(500+rand.Intn(1000)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
