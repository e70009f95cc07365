// A converter is run for each file; only the first line of what it says is read before it is waited for. One that says much never
// ends, as its pipe is full, and neither does the wait.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

func convert(lines int) {
	program, err := os.Executable()
	if err != nil {
		return
	}
	command := exec.Command(program, "convert", fmt.Sprint(lines))
	output, err := command.StdoutPipe()
	if err != nil {
		return
	}
	if err := command.Start(); err != nil {
		return
	}
	_, _ = bufio.NewReader(output).ReadString('\n')
	_ = command.Wait() // WAITS: convert
}

func spew(text string) {
	var lines int
	_, _ = fmt.Sscan(text, &lines)
	for i := 0; i < lines; i++ {
		if _, err := fmt.Println(strings.Repeat("converted ", 20)); err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) > 2 {
		spew(os.Args[2])
		return
	}
	go func() {
		for i := 0; ; i++ {
			lines := 3
			if i%2 == 1 {
				lines = 2000
			}
			go convert(lines) // LEAK: convert
			time.Sleep(700 * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
