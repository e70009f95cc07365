//go:build !go1.21

package main

// emptyByBuiltin: there is no clear yet.
//
//go:noinline
func emptyByBuiltin(t *tally, s *stock) { emptyByLoops(t, s) }
