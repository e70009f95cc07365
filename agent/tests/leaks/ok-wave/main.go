// One long wave: the number of open jobs grows for the first thirty seconds and shrinks in the next thirty; jobs are told to end.
package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

type job struct{ end chan struct{} }

func (j *job) run() {
	<-j.end
}

func main() {
	go func() {
		var open []*job
		for {
			for i := 0; i < 60; i++ {
				j := &job{make(chan struct{})}
				go j.run()
				open = append(open, j)
				if i%3 == 2 {
					close(open[0].end)
					open = open[1:]
				}
				time.Sleep(500 * time.Millisecond)
			}
			for len(open) > 0 {
				close(open[0].end)
				open = open[1:]
				time.Sleep(700 * time.Millisecond)
			}
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
