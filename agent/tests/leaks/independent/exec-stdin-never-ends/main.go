// A hook is run with a pipe as its input. It ends at once, but the pipe is never closed: os/exec still copies from it, and Wait waits
// for that.
// LEAK-FUNCTION: input os/exec.(*Cmd).Start
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

type hooks struct {
	mu     sync.Mutex
	inputs map[int]*io.PipeWriter
	ended  int
}

func (h *hooks) run(n int) {
	program, err := os.Executable()
	if err != nil {
		return
	}
	reader, writer := io.Pipe()
	command := exec.Command(program, "hook")
	command.Stdin = reader
	if err := command.Start(); err != nil {
		return
	}
	h.mu.Lock()
	h.inputs[n] = writer
	h.mu.Unlock()
	go func() { // LEAK: wait
		_ = command.Wait() // WAITS: wait
		h.mu.Lock()
		h.ended++
		delete(h.inputs, n)
		h.mu.Unlock()
	}()
}

func main() {
	if len(os.Args) > 1 {
		return
	}
	h := &hooks{inputs: map[int]*io.PipeWriter{}}
	go func() {
		for n := 0; ; n++ {
			h.run(n)
			time.Sleep(900 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
