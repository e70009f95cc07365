//go:build cgo_target

package main

/*
#include <pthread.h>
#include <stdint.h>

extern uint64_t calledByC(int depth, uint64_t salt);

// Calls back into Go from this thread ...
static uint64_t call_back(int depth, uint64_t salt) { return calledByC(depth, salt); }

// ... and from a thread that Go has not made.
struct job { int depth; uint64_t salt; uint64_t result; };
static void *foreign(void *argument) {
	struct job *job = argument;
	job->result = calledByC(job->depth, job->salt);
	return 0;
}
static uint64_t call_back_from_thread(int depth, uint64_t salt) {
	struct job job = {depth, salt, 0};
	pthread_t thread;
	if (pthread_create(&thread, 0, foreign, &job) != 0) return 0;
	pthread_join(thread, 0);
	return job.result;
}
#cgo LDFLAGS: -lpthread
*/
import "C"

// calledByC writes maps, grows its stack, panics and recovers, starts a goroutine and calls C again.
//
//export calledByC
func calledByC(depth C.int, salt C.uint64_t) C.uint64_t {
	if depth > 0 {
		return C.call_back(depth-1, salt*31+1)
	}
	r := rng(salt)
	text := catch(int(salt%20), &r)
	result := make(chan uint64)
	go func() { result <- recurse(int(salt%200), map[int]int{}, uint64(salt)) }()
	return C.uint64_t(<-result + uint64(len(text)))
}

func throughC(n int, salt uint64) uint64 {
	var h hash
	for i := 0; i < n; i++ {
		if i%20 == 0 {
			h.add(uint64(C.call_back_from_thread(C.int(i%3), C.uint64_t(salt+uint64(i)))))
		} else {
			h.add(uint64(C.call_back(C.int(i%5), C.uint64_t(salt+uint64(i)))))
		}
	}
	return uint64(h)
}
