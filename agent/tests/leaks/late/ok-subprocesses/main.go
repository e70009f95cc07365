// Job runner: subprocesses of 1 to 15 s with captured output, limit of 20; about one start per 600 ms.
package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os/exec"
	"time"
)

func main() {
	rand.Seed(time.Now().UnixNano())
	sem := make(chan struct{}, 20)
	for {
		sem <- struct{}{}
		go func() {
			defer func() { <-sem }()
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			var out, errb bytes.Buffer
			cmd := exec.CommandContext(ctx, "sleep", fmt.Sprint(1+rand.Intn(14)))
			cmd.Stdout, cmd.Stderr = &out, &errb
			cmd.Run()
		}()
		time.Sleep(time.Duration(400+rand.Intn(400)) * time.Millisecond)
	}
}
