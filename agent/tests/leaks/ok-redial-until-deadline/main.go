// Peers that refuse are dialled again and again, two seconds apart, until a deadline of forty seconds. One more comes every 0.9 s:
// their number rises for as long as a short watch lasts, and each of them wakes all the time.
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

func dial(ctx context.Context) error {
	refused := make(chan error, 1)
	go func() {
		time.Sleep(time.Duration(rand.Intn(2000)) * time.Millisecond)
		refused <- errors.New("refused")
	}()
	select {
	case err := <-refused:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func connect() {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if dial(ctx) == nil {
			return
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	}
}

func main() {
	go func() {
		for {
			go connect()
			time.Sleep(900 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
