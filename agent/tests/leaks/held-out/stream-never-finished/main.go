// A client stream has a goroutine that ends when the stream's context or the connection does. The caller neither reads the stream
// to its end nor cancels; the connection is global and lives as long as the process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type clientConn struct {
	ctx    context.Context
	cancel context.CancelFunc
}

var conn clientConn

type stream struct {
	ctx      context.Context
	messages chan string
	finished chan struct{}
	err      error
}

func newStream(ctx context.Context) *stream {
	s := &stream{ctx: ctx, messages: make(chan string, 1), finished: make(chan struct{})}
	go func() { // LEAK: stream
		select { // WAITS: stream
		case <-conn.ctx.Done():
			s.err = errors.New("connection is closing")
		case <-s.ctx.Done():
			s.err = s.ctx.Err()
		case <-s.finished:
		}
	}()
	return s
}

func (s *stream) recv() (string, error) {
	if rand.Intn(3) == 0 {
		close(s.finished)
		return "", io.EOF
	}
	time.Sleep(time.Duration(rand.Intn(20)) * time.Millisecond)
	return "message", nil
}

func firstMessage() string {
	s := newStream(context.Background())
	m, err := s.recv()
	if err != nil {
		return ""
	}
	return m
}

func main() {
	conn.ctx, conn.cancel = context.WithCancel(context.Background())
	go func() {
		for {
			_ = firstMessage()
			time.Sleep(time.Duration(300+rand.Intn(500)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
