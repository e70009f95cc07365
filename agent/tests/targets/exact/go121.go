//go:build go1.21

package main

// emptyByBuiltin is one runtime.mapclear a map, also for nil maps and for keys that may be unequal to themselves.
//
//go:noinline
func emptyByBuiltin(t *tally, s *stock) {
	clear(s.a)
	clear(s.b)
	clear(s.c)
	clear(s.d)
	clear(s.e)
	clear(s.f)
	t.clears += 6
}
