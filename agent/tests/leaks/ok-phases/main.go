// A simulation in phases of seven seconds: forty goroutines, new ones in each phase, meet at barriers of both kinds.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type phase struct {
	mu    sync.Mutex
	cond  *sync.Cond
	start sync.WaitGroup
	open  bool
}

func (p *phase) cell(done *sync.WaitGroup) {
	defer done.Done()
	time.Sleep(time.Duration(rand.Intn(2000)) * time.Millisecond)
	p.start.Done()
	p.start.Wait()
	p.mu.Lock()
	for !p.open {
		p.cond.Wait()
	}
	p.mu.Unlock()
	time.Sleep(time.Duration(rand.Intn(1000)) * time.Millisecond)
}

func run(cells int) {
	p := &phase{}
	p.cond = sync.NewCond(&p.mu)
	var done sync.WaitGroup
	p.start.Add(cells)
	done.Add(cells)
	for i := 0; i < cells; i++ {
		go p.cell(&done)
	}
	p.start.Wait()
	time.Sleep(3 * time.Second)
	p.mu.Lock()
	p.open = true
	p.cond.Broadcast()
	p.mu.Unlock()
	done.Wait()
	time.Sleep(time.Second)
}

func main() {
	go func() {
		for {
			run(40)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
