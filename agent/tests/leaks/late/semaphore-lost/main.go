// Image resizer: semaphore of 16; release is skipped when decoding fails. After a while every request waits for ever.
package main

import (
	"errors"
	"math/rand"
	"time"
)

type resizer struct{ sem chan struct{} }

func (r *resizer) resize(i int) error {
	r.sem <- struct{}{}
	time.Sleep(time.Duration(5+rand.Intn(50)) * time.Millisecond)
	if rand.Intn(8) == 0 {
		return errors.New("decode")
	}
	<-r.sem
	return nil
}

func main() {
	rand.Seed(time.Now().UnixNano())
	r := &resizer{sem: make(chan struct{}, 16)}
	for i := 0; ; i++ {
		go func(i int) { // LEAK: semaphore-lost
			if err := r.resize(i); err != nil {
				return
			}
		}(i)
		time.Sleep(time.Duration(50+rand.Intn(100)) * time.Millisecond)
	}
}
