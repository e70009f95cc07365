// Each parent waits for three children that sleep for 70 to 90 s. Nothing but the children's timers tells that the parents go on.
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
	for i := 0; i < 3; i++ {
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
			time.Sleep(900 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
