// So many goroutines, all of which wait at the bottom of one, two, three or four calls in turn. Ends with its input.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
)

var forever = make(chan int)

//go:noinline
func wait(depth int) int {
	if depth == 0 {
		return <-forever
	}
	return wait(depth-1) + 1
}

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for i := 0; i < n; i++ {
		go wait(i % 4)
	}
	fmt.Println("ready", os.Getpid())
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
	}
}
