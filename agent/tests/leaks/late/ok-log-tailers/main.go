// Log shipper: a tailer per file (polling), ends 30 s after the file's rotation; new file each 2 s; writers write to them.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"time"
)

func tail(path string, rotated <-chan struct{}) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	r := bufio.NewReader(f)
	var grace <-chan time.Time
	poll := time.NewTicker(500 * time.Millisecond)
	defer poll.Stop()
	for {
		_, err := r.ReadString('\n')
		if err == nil {
			continue
		}
		if err != io.EOF {
			return
		}
		select {
		case <-poll.C:
		case <-rotated:
			rotated = nil
			grace = time.After(30 * time.Second)
		case <-grace:
			return
		}
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	dir, _ := os.MkdirTemp(".", "tail")
	for i := 0; ; i++ {
		p := filepath.Join(dir, fmt.Sprintf("app-%d.log", i%100))
		f, err := os.Create(p)
		if err != nil {
			return
		}
		rot := make(chan struct{})
		go tail(p, rot)
		go func() {
			defer f.Close()
			for j := 0; j < 20; j++ {
				fmt.Fprintln(f, "line", j)
				time.Sleep(time.Duration(100+rand.Intn(200)) * time.Millisecond)
			}
			close(rot)
		}()
		time.Sleep(time.Duration(1500+rand.Intn(1000)) * time.Millisecond)
	}
}
