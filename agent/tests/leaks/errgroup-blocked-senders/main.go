// Requests go to three replicas, and the first error ends the call. The other replicas' goroutines cannot send their answers.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type group struct {
	wg   sync.WaitGroup
	once sync.Once
	err  error
}

func (g *group) run(f func() error) {
	g.wg.Add(1)
	go func() { // LEAK: replica
		defer g.wg.Done()
		if err := f(); err != nil {
			g.once.Do(func() { g.err = err })
		}
	}()
}

func replica(i int) (int, error) {
	time.Sleep(time.Duration(2+rand.Intn(20)) * time.Millisecond)
	if rand.Intn(25) == 0 {
		return 0, errors.New("unavailable")
	}
	return i, nil
}

func quorum() error {
	var g group
	answers, failed := make(chan int), make(chan error, 3)
	for i := 0; i < 3; i++ {
		i := i
		g.run(func() error {
			answer, err := replica(i)
			if err != nil {
				failed <- err
				return err
			}
			answers <- answer // WAITS: replica
			return nil
		})
	}
	for n := 0; n < 3; n++ {
		select {
		case <-answers:
		case err := <-failed:
			return err
		}
	}
	g.wg.Wait()
	return g.err
}

func main() {
	go func() {
		for range time.Tick(200 * time.Millisecond) {
			_ = quorum()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
