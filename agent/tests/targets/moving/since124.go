//go:build go1.24

package main

import (
	"runtime"
	"time"
	"weak"
)

// inCleanups keeps each pointer in what a cleanup will be called with.
func inCleanups() {
	for i := 0; i < each; i++ {
		holders.Add(1)
		leave(waiter("cleanups", i))
	}
}

//go:noinline
func leave(w *waker) {
	runtime.AddCleanup(&object{}, func(w *waker) {
		if stopping() {
			w.wake()
			holders.Done()
			return
		}
		leave(w)
	}, w)
}

// inWeaks keeps each pointer in an object to which there are only weak pointers but for every other moment. What a
// collection takes in such a moment wakes its waiter as it goes.
func inWeaks() {
	for i := 0; i < each; i++ {
		pointer := weaken(waiter("weak pointers", i))
		holders.Add(1)
		go func() {
			defer holders.Done()
			var strong *object
			for !stopping() {
				strong = nil
				rest()
				if strong = pointer.Value(); strong == nil {
					return // its cleanup has it
				}
				time.Sleep(time.Millisecond)
			}
			if strong == nil {
				strong = pointer.Value()
			}
			if strong != nil {
				strong.w.wake()
				strong.w.wake = func() {}
			}
		}()
	}
}

//go:noinline
func weaken(w *waker) weak.Pointer[object] {
	o := &object{w: w}
	runtime.SetFinalizer(o, func(o *object) { o.w.wake() })
	return weak.Make(o)
}
