//go:build !go1.23

package main

import "time"

// fireUnreceived: up to Go 1.22 a timer fires into its channel's buffer, whether somebody receives or not.
//
//go:noinline
func fireUnreceived(t *tally) {
	timer := time.NewTimer(50 * time.Microsecond)
	t.timerSite[timerFireUnreceived]++
	await(func() bool { return len(timer.C) == 1 })
	t.timerFires++
	timer.Stop()
	t.timerStops++
}

// resetTicker does nothing: up to Go 1.22 Ticker.Reset calls time.modTimer, which is not what is counted.
func resetTicker(*tally, *time.Ticker) {}

// pullValues: there are no coroutines yet.
func pullValues(*tally, *rng, int) {}
