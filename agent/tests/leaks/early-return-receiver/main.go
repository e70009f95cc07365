// An importer starts a goroutine that writes rows as they come, and returns on the first bad row without closing the channel.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync/atomic"
	"time"
)

type row struct {
	id   int
	text string
}

type table struct{ rows int64 }

func (t *table) write(r row) { atomic.AddInt64(&t.rows, int64(len(r.text))) }

func importRows(t *table, n int) error {
	rows := make(chan row, 8)
	done := make(chan struct{})
	go func() { // LEAK: receiver
		defer close(done)
		for r := range rows { // WAITS: receiver
			t.write(r)
		}
	}()
	for i := 0; i < n; i++ {
		if rand.Intn(300) == 0 {
			return errors.New("bad row")
		}
		rows <- row{i, "text"}
	}
	close(rows)
	<-done
	return nil
}

func main() {
	go func() {
		t := &table{}
		for range time.Tick(150 * time.Millisecond) {
			_ = importRows(t, 50)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
