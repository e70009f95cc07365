// 400 short tasks a second from one go statement; one in 1200 (every 3 s) waits for an ack of a device that went away.
package main

import (
	"math/rand"
	"time"
)

type device struct{ ack chan int }

func send(d *device, gone bool) {
	if !gone {
		time.Sleep(time.Duration(1+rand.Intn(30)) * time.Millisecond)
		d.ack <- 1
	}
}

func deliver(id int) {
	d := &device{ack: make(chan int, 1)}
	gone := rand.Intn(1200) == 0
	send(d, gone)
	<-d.ack
}

func main() {
	rand.Seed(time.Now().UnixNano())
	t := time.NewTicker(10 * time.Millisecond)
	id := 0
	for range t.C {
		for i := 0; i < 4; i++ {
			id++
			go deliver(id) // LEAK: needle-in-load
		}
	}
}
