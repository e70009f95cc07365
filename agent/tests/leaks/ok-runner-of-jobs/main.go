// Jobs are run as child processes, each waited for by a goroutine. They come all the time, and most take minutes.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"sync"
	"time"
)

type runner struct {
	mu      sync.Mutex
	running map[int]*exec.Cmd
	ended   int
}

func (r *runner) start(id int) {
	program, err := os.Executable()
	if err != nil {
		return
	}
	command := exec.Command(program, "job", fmt.Sprint(180+rand.Intn(300)))
	if err := command.Start(); err != nil {
		return
	}
	r.mu.Lock()
	r.running[id] = command
	r.mu.Unlock()
	go func() {
		_ = command.Wait()
		r.mu.Lock()
		delete(r.running, id)
		r.ended++
		r.mu.Unlock()
	}()
}

// job works for so many seconds, or until its parent is gone.
func job(seconds string) {
	var left int
	_, _ = fmt.Sscan(seconds, &left)
	parent := os.Getppid()
	for ; left > 0 && os.Getppid() == parent; left-- {
		time.Sleep(time.Second)
	}
}

func main() {
	if len(os.Args) > 2 {
		job(os.Args[2])
		return
	}
	r := &runner{running: map[int]*exec.Cmd{}}
	go func() {
		for id := 0; ; id++ {
			r.start(id)
			time.Sleep(time.Duration(500+rand.Intn(1000)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
