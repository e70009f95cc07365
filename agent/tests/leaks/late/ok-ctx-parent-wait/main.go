// Tenant shutdown hooks: per request goroutine waits on the tenant's context; a tenant's context is cancelled when the tenant is reloaded, each 55 s
// (rolling, 8 tenants). context.WithTimeout(…, 3 min) as the last resort.
package main

import (
	"context"
	"math/rand"
	"sync"
	"time"
)

type tenant struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
}

func (t *tenant) reload() {
	t.mu.Lock()
	if t.cancel != nil {
		t.cancel()
	}
	t.ctx, t.cancel = context.WithTimeout(context.Background(), 3*time.Minute)
	t.mu.Unlock()
}

func (t *tenant) hook(f func()) {
	t.mu.Lock()
	ctx := t.ctx
	t.mu.Unlock()
	go func() {
		<-ctx.Done()
		f()
	}()
}

func main() {
	rand.Seed(time.Now().UnixNano())
	ts := make([]*tenant, 8)
	for i := range ts {
		ts[i] = &tenant{}
		ts[i].reload()
	}
	go func() {
		for i := 0; ; i++ {
			time.Sleep(7 * time.Second)
			ts[i%8].reload()
		}
	}()
	for {
		ts[rand.Intn(8)].hook(func() {})
		time.Sleep(time.Duration(100+rand.Intn(200)) * time.Millisecond)
	}
}
