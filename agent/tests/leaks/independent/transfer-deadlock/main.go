// A transfer locks both accounts, the source first. Two opposite ones soon lock each other out, and then ever more stand behind them.
package main

import (
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

var accounts [6]account

func transfer(from, to *account, amount int) {
	from.mu.Lock() // WAITS: transfer
	defer from.mu.Unlock()
	time.Sleep(time.Duration(40+rand.Intn(60)) * time.Millisecond)
	to.mu.Lock() // WAITS: transfer
	defer to.mu.Unlock()
	from.balance -= amount
	to.balance += amount
}

func main() {
	random := rand.New(rand.NewSource(time.Now().UnixNano()))
	go func() {
		for {
			from := random.Intn(len(accounts))
			to := (from + 1 + random.Intn(len(accounts)-1)) % len(accounts)
			go transfer(&accounts[from], &accounts[to], rand.Intn(100)) // LEAK: transfer
			time.Sleep(time.Duration(30+rand.Intn(60)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
