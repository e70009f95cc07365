// A file is locked for each export. An error path returns without unlocking it, and all who come for the same file wait in flock, each
// in a thread of its own.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

type exports struct {
	mu    sync.Mutex
	bad   []*os.File
	done  int
	where string
}

func (e *exports) export(tenant int) {
	file, err := os.OpenFile(filepath.Join(e.where, fmt.Sprint(tenant)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil { // WAITS: export
		return
	}
	time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
	if tenant == 3 {
		e.mu.Lock()
		e.bad = append(e.bad, file)
		e.mu.Unlock()
		return
	}
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
	e.mu.Lock()
	e.done++
	e.mu.Unlock()
}

func main() {
	where, err := os.MkdirTemp("", "exports")
	if err != nil {
		panic(err)
	}
	e := &exports{where: where}
	go func() {
		for {
			go e.export(rand.Intn(4)) // LEAK: export
			time.Sleep(time.Duration(100+rand.Intn(100)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = os.RemoveAll(where)
}
