// Spool files guarded by flock: the writer that finds the spool full returns without unlocking (and keeps the file in a cache);
// later appends to the same spool block in the flock system call. About one per 3 s.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

type spool struct {
	dir  string
	mu   sync.Mutex
	full []*os.File
}

func (s *spool) append(id int) error {
	f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprint("q", id)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if id%20 == 7 {
		s.mu.Lock()
		s.full = append(s.full, f)
		s.mu.Unlock()
		return fmt.Errorf("spool %d full", id)
	}
	fmt.Fprintln(f, "x")
	syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	return f.Close()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	dir, _ := os.MkdirTemp(".", "spool")
	s := &spool{dir: dir}
	for {
		id := rand.Intn(40)
		go s.append(id) // LEAK: flock
		time.Sleep(time.Duration(100+rand.Intn(100)) * time.Millisecond)
	}
}
