// A method returns on its error path with the lock held. The locks are those of accounts in a global map: all of it stays reachable.
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"
)

type account struct {
	mu      sync.Mutex
	balance int
}

var errFunds = errors.New("insufficient funds")

func (a *account) withdraw(n int) error {
	a.mu.Lock() // WAITS: account
	if a.balance < n {
		return errFunds
	}
	a.balance -= n
	a.mu.Unlock()
	return nil
}

var accounts = map[int]*account{}

func main() {
	for i := 0; i < 100; i++ {
		accounts[i] = &account{balance: 20}
	}
	go func() {
		for range time.Tick(30 * time.Millisecond) {
			a := accounts[rand.Intn(len(accounts))]
			go func() { // LEAK: account
				_ = a.withdraw(rand.Intn(10))
			}()
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
