// What subscribers are told goes through a pipe of each. The subscription ends after some minutes, by a timer that closes its writing
// end, or by a goroutine that sleeps until then.
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

type hub struct {
	mu   sync.Mutex
	told int
}

func (h *hub) read(from *os.File) {
	defer from.Close()
	for lines := bufio.NewScanner(from); lines.Scan(); {
		h.mu.Lock()
		h.told++
		h.mu.Unlock()
	}
}

func (h *hub) subscribe(id int) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return
	}
	_, _ = fmt.Fprintln(writer, "welcome", id)
	last := time.Duration(240+rand.Intn(120)) * time.Second
	if id%2 == 0 {
		time.AfterFunc(last, func() { _ = writer.Close() })
		go h.read(reader)
		return
	}
	go h.read(reader)
	go func() {
		time.Sleep(last)
		_ = writer.Close()
	}()
}

func main() {
	h := &hub{}
	go func() {
		for id := 0; ; id++ {
			h.subscribe(id)
			time.Sleep(time.Duration(300+rand.Intn(500)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
