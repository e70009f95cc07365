// Lazy model load by sync.Once takes 80 s (from second 10); requests (2.5/s) wait in Once.Do meanwhile.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type model struct {
	once sync.Once
	w    []float64
}

func (m *model) predict(x int) float64 {
	m.once.Do(func() {
		for i := 0; i < 400; i++ {
			m.w = append(m.w, rand.Float64())
			time.Sleep(200 * time.Millisecond)
		}
	})
	return m.w[x]
}

func main() {
	rand.Seed(time.Now().UnixNano())
	m := &model{}
	time.Sleep(10 * time.Second)
	for {
		go m.predict(rand.Intn(400))
		time.Sleep(time.Duration(300+rand.Intn(200)) * time.Millisecond)
	}
}
