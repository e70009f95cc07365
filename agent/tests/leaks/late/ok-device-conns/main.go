// Device gateway: a device (child process) stays connected 150 to 300 s, reports each 20 to 40 s; one connects each 1.5 s.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"time"
)

func devices(addr string) {
	go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	for {
		go func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return
			}
			defer c.Close()
			end := time.Now().Add(time.Duration(150+rand.Intn(150)) * time.Second)
			for time.Now().Before(end) {
				fmt.Fprintln(c, "report")
				time.Sleep(time.Duration(20+rand.Intn(20)) * time.Second)
			}
		}()
		time.Sleep(1500 * time.Millisecond)
	}
}

var child *exec.Cmd

func main() {
	rand.Seed(time.Now().UnixNano())
	if len(os.Args) > 1 {
		devices(os.Args[1])
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	child = exec.Command(os.Args[0], ln.Addr().String())
	child.StdinPipe()
	if err := child.Start(); err != nil {
		log.Fatal(err)
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			sc := bufio.NewScanner(c)
			for sc.Scan() {
				fmt.Fprintln(c, "ok")
			}
		}()
	}
}
