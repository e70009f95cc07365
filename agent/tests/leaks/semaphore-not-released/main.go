// A slot of a global semaphore is not given back when a call fails. After a while all slots are gone, and every request waits.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

var slots = make(chan struct{}, 10)

func upstream() error {
	time.Sleep(time.Duration(10+rand.Intn(50)) * time.Millisecond)
	if rand.Intn(8) == 0 {
		return errors.New("upstream failed")
	}
	return nil
}

func handle() error {
	slots <- struct{}{} // WAITS: request
	if err := upstream(); err != nil {
		return err
	}
	<-slots
	return nil
}

func main() {
	go func() {
		for {
			go func() { // LEAK: request
				_ = handle()
			}()
			time.Sleep(time.Duration(50+rand.Intn(150)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
