// Scheduler: every 15 s 25 jobs are started of 1 to 12 s, another cron each 25 s of 40 jobs with a barrier.
package main

import (
	"math/rand"
	"sync"
	"time"
)

func job() { time.Sleep(time.Duration(1000+rand.Intn(11000)) * time.Millisecond) }

func every(d time.Duration, f func()) {
	t := time.NewTicker(d)
	for range t.C {
		go f()
	}
}

func main() {
	rand.Seed(time.Now().UnixNano())
	go every(15*time.Second, func() {
		for i := 0; i < 25; i++ {
			go job()
			time.Sleep(100 * time.Millisecond)
		}
	})
	go every(25*time.Second, func() {
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := 0; i < 40; i++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				<-start
				time.Sleep(time.Duration(100+rand.Intn(2000)) * time.Millisecond)
			}()
			time.Sleep(200 * time.Millisecond)
		}
		close(start)
		wg.Wait()
	})
	select {}
}
