// Per-account lock: on the validation error path the lock isn't released; later operations for that account wait for ever.
package main

import (
	"errors"
	"math/rand"
	"sync"
	"time"
)

type account struct {
	mu  sync.Mutex
	bal int
}

type ledger struct {
	mu   sync.Mutex
	accs map[int]*account
}

func (l *ledger) get(id int) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accs[id]
	if a == nil {
		a = &account{bal: 1000}
		l.accs[id] = a
	}
	return a
}

var errFunds = errors.New("insufficient funds")

func (l *ledger) transfer(id, amount int) error {
	a := l.get(id)
	a.mu.Lock()
	if amount > a.bal+900 {
		return errFunds // a.mu stays locked
	}
	a.bal -= amount
	time.Sleep(time.Duration(1+rand.Intn(20)) * time.Millisecond)
	a.bal += amount
	a.mu.Unlock()
	return nil
}

func main() {
	rand.Seed(time.Now().UnixNano())
	l := &ledger{accs: map[int]*account{}}
	for {
		id := rand.Intn(300)
		amount := rand.Intn(1800)
		if rand.Intn(50) == 0 {
			amount = 2500
		}
		go func() { // LEAK: keylock-unreleased
			_ = l.transfer(id, amount)
		}()
		time.Sleep(time.Duration(20+rand.Intn(60)) * time.Millisecond)
	}
}
