//go:build go1.23

package main

import (
	"iter"
	"time"
)

// fireUnreceived: from Go 1.23 on a timer that nobody waits for never fires.
//
//go:noinline
func fireUnreceived(t *tally) {
	timer := time.NewTimer(50 * time.Microsecond)
	t.timerSite[timerFireUnreceived]++
	pause()
	pause()
	timer.Stop()
	t.timerStops++
}

//go:noinline
func resetTicker(t *tally, ticker *time.Ticker) {
	ticker.Reset(2 * time.Hour)
	t.timerResets++
}

// pullValues makes coroutines: some run to their end, some are stopped half-way, some before they began.
//
//go:noinline
func pullValues(t *tally, r *rng, n int) {
	numbers := func(yield func(int) bool) {
		for i := 0; i < 5; i++ {
			if !yield(i) {
				return
			}
		}
	}
	for i := 0; i < n; i++ {
		next, stop := iter.Pull(iter.Seq[int](numbers))
		t.goSite[goPull]++
		for j := r.n(8); j > 0; j-- {
			v, _ := next()
			sink += v
		}
		stop()
	}
}
