// A hook is started under a context that lives on, and nobody waits for it: what os/exec starts to watch the context stays. All of its
// stack is os/exec's own.
// LEAK-FUNCTION: watcher os/exec.(*Cmd).Start
// LEAK-FUNCTION: watcher os/exec.(*Cmd).watchCtx
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

func hook(ctx context.Context) {
	program, err := os.Executable()
	if err != nil {
		return
	}
	_ = exec.CommandContext(ctx, program, "hook").Start()
}

func main() {
	if len(os.Args) > 1 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for range time.Tick(600 * time.Millisecond) {
			hook(ctx)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
