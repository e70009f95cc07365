// A task logs into an os.Pipe that a goroutine reads by lines. Tasks that are skipped keep the writing end in the table of tasks,
// and it is never closed.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type task struct {
	id  int
	log *os.File
}

type table struct {
	mu    sync.Mutex
	tasks map[int]*task
	lines int
}

func (t *table) open(id int) *task {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil
	}
	go func() { // LEAK: log
		defer reader.Close()
		lines := bufio.NewScanner(reader)
		for lines.Scan() { // WAITS: log
			t.mu.Lock()
			t.lines++
			t.mu.Unlock()
		}
	}()
	made := &task{id, writer}
	t.mu.Lock()
	t.tasks[id] = made
	t.mu.Unlock()
	return made
}

func (t *table) run(id int) {
	job := t.open(id)
	if job == nil {
		return
	}
	_, _ = fmt.Fprintln(job.log, "start", id)
	if rand.Intn(5) == 0 {
		_, _ = fmt.Fprintln(job.log, "skipped")
		return
	}
	time.Sleep(time.Duration(100+rand.Intn(1500)) * time.Millisecond)
	_ = job.log.Close()
	t.mu.Lock()
	delete(t.tasks, id)
	t.mu.Unlock()
}

func main() {
	t := &table{tasks: map[int]*task{}}
	go func() {
		for id := 0; ; id++ {
			go t.run(id)
			time.Sleep(time.Duration(120+rand.Intn(160)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
