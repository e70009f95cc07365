// Jobs run as other processes for 4 to 14 s and log now and then. A goroutine waits for each, another reads its log. Not more than
// sixteen at once.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"sync"
	"time"
)

func job(text string) {
	var milliseconds int
	_, _ = fmt.Sscan(text, &milliseconds)
	until := time.Now().Add(time.Duration(milliseconds) * time.Millisecond)
	for time.Now().Before(until) {
		if _, err := fmt.Println("progress"); err != nil {
			return
		}
		time.Sleep(2500 * time.Millisecond)
	}
}

func tail(log io.Reader, lines *int, tailed *sync.WaitGroup) {
	defer tailed.Done()
	scanner := bufio.NewScanner(log)
	for scanner.Scan() {
		*lines++
	}
}

func run(program string, places <-chan struct{}) {
	defer func() { <-places }()
	command := exec.Command(program, "job", fmt.Sprint(4000+rand.Intn(10000)))
	output, err := command.StdoutPipe()
	if err != nil {
		return
	}
	if err := command.Start(); err != nil {
		return
	}
	lines := 0
	var tailed sync.WaitGroup
	tailed.Add(1)
	go tail(output, &lines, &tailed)
	tailed.Wait()
	_ = command.Wait()
}

func main() {
	if len(os.Args) > 2 {
		job(os.Args[2])
		return
	}
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	places := make(chan struct{}, 16)
	go func() {
		for {
			places <- struct{}{}
			go run(program, places)
			time.Sleep(time.Duration(400+rand.Intn(400)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
