// Many streams over one connection: a reader takes frames and hands them to the streams, streams end when the other side says so.
// Their number follows a load that rises, falls and rises.
package main

import (
	"fmt"
	"io"
	"math"
	"math/rand"
	"net"
	"os"
	"sync"
	"time"
)

type frame struct {
	stream int
	end    bool
}

type mux struct {
	mu      sync.Mutex
	streams map[int]chan frame
}

func (m *mux) readLoop(conn net.Conn) {
	buffer := make([]byte, 5)
	for {
		if _, err := io.ReadFull(conn, buffer); err != nil {
			return
		}
		f := frame{int(buffer[0])<<16 | int(buffer[1])<<8 | int(buffer[2]), buffer[3] == 1}
		m.mu.Lock()
		ch := m.streams[f.stream]
		if ch == nil {
			ch = make(chan frame, 8)
			m.streams[f.stream] = ch
			go m.handle(f.stream, ch)
		}
		m.mu.Unlock()
		ch <- f
	}
}

func (m *mux) handle(id int, frames <-chan frame) {
	for f := range frames {
		if f.end {
			m.mu.Lock()
			delete(m.streams, id)
			m.mu.Unlock()
			return
		}
	}
}

func main() {
	near, far := net.Pipe()
	go (&mux{streams: map[int]chan frame{}}).readLoop(near)
	var mu sync.Mutex
	send := func(id int, end byte) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = far.Write([]byte{byte(id >> 16), byte(id >> 8), byte(id), end, 0})
	}
	go func() {
		start := time.Now()
		for id := 0; ; id++ {
			id := id
			send(id, 0)
			time.AfterFunc(time.Duration(200+rand.Intn(6000))*time.Millisecond, func() { send(id, 1) })
			rate := 2 + 6*(1-math.Cos(2*math.Pi*time.Since(start).Seconds()/25))
			time.Sleep(time.Duration(float64(time.Second) / rate))
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
