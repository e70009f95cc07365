// Each parent waits for four children that sleep for 70 to 90 s, two hundred parents a second: after a while these are more sleepers than a
// proof follows.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

func parent() {
	var wg sync.WaitGroup
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			time.Sleep(time.Duration(70+rand.Intn(20)) * time.Second)
		}()
	}
	wg.Wait()
}

func main() {
	go func() {
		for {
			go parent()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
