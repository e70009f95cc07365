// Three consumers take a second for each order. Orders come in waves, and each is a goroutine that waits for its turn, up to twenty
// seconds, and then for its receipt.
package main

import (
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"
)

type order struct{ receipt chan int }

func consume(orders <-chan order) {
	for o := range orders {
		time.Sleep(time.Duration(800+rand.Intn(400)) * time.Millisecond)
		o.receipt <- 1
	}
}

func place(orders chan<- order) int {
	o := order{make(chan int)}
	orders <- o
	return <-o.receipt
}

func main() {
	orders := make(chan order)
	for i := 0; i < 3; i++ {
		go consume(orders)
	}
	go func() {
		for {
			for i := 0; i < 50; i++ {
				go place(orders)
				time.Sleep(time.Duration(50+rand.Intn(150)) * time.Millisecond)
			}
			time.Sleep(12 * time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
