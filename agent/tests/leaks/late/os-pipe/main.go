// Script hook: os.Pipe for the child's log; the parent forgets to close its copy of the write end, so the scanner never sees EOF.
package main

import (
	"bufio"
	"math/rand"
	"os"
	"os/exec"
	"sync"
	"time"
)

var (
	mu   sync.Mutex
	open = map[int]*os.File{} // "for reopening on rotation"
)

func hook(id int) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/echo", "hook", "done")
	cmd.Stdout = w
	mu.Lock()
	open[id] = w
	mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { // LEAK: os-pipe
		defer r.Close()
		sc := bufio.NewScanner(r)
		for sc.Scan() {
		}
	}()
	return cmd.Wait()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	for i := 0; ; i++ {
		go hook(i)
		time.Sleep(time.Duration(1500+rand.Intn(1000)) * time.Millisecond)
	}
}
