// Load for etcd: a number of clients that ramps up, holds, drops and bursts. Each has a connection, a lease that it keeps alive, a
// watch for as long as it is there, shorter watches that come and go, and reads and writes.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// wanted is the number of clients at a second of a round of two minutes.
func wanted(second int) int {
	switch s := second % 120; {
	case s < 40:
		return 2 + s/2
	case s < 70:
		return 22
	case s < 90:
		return 3
	case s < 100:
		return 35
	default:
		return 10
	}
}

func shortWatch(ctx context.Context, c *clientv3.Client) {
	for ctx.Err() == nil {
		watcher := clientv3.NewWatcher(c)
		limited, cancel := context.WithTimeout(ctx, time.Duration(500+rand.Intn(4000))*time.Millisecond)
		for range watcher.Watch(limited, "hot", clientv3.WithPrefix()) {
			if rand.Intn(10) == 0 {
				break
			}
		}
		cancel()
		_ = watcher.Close()
		time.Sleep(time.Duration(rand.Intn(1000)) * time.Millisecond)
	}
}

func client(ctx context.Context, endpoint string) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return
	}
	defer c.Close()
	lease, err := c.Grant(ctx, 10)
	if err != nil {
		return
	}
	alive, err := c.KeepAlive(ctx, lease.ID)
	if err != nil {
		return
	}
	go func() {
		for range alive {
		}
	}()
	mine := c.Watch(ctx, fmt.Sprintf("own/%d", rand.Intn(50)))
	go func() {
		for range mine {
		}
	}()
	go shortWatch(ctx, c)
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		switch key := fmt.Sprintf("hot/%d", rand.Intn(100)); rand.Intn(5) {
		case 0:
			_, _ = c.Put(limited, key, "value", clientv3.WithLease(lease.ID))
		case 1:
			_, _ = c.Get(limited, "hot", clientv3.WithPrefix(), clientv3.WithLimit(20))
		case 2:
			_, _ = c.Put(limited, fmt.Sprintf("own/%d", rand.Intn(50)), "value")
		default:
			_, _ = c.Get(limited, key)
		}
		cancel()
		time.Sleep(time.Duration(200+rand.Intn(1000)) * time.Millisecond)
	}
	_, _ = c.Revoke(context.Background(), lease.ID)
}

func main() {
	go func() {
		var cancels []context.CancelFunc
		for second := 0; ; second++ {
			for len(cancels) < wanted(second) {
				ctx, cancel := context.WithCancel(context.Background())
				cancels = append(cancels, cancel)
				go client(ctx, os.Args[1])
			}
			for len(cancels) > wanted(second) {
				cancels[0]()
				cancels = cancels[1:]
			}
			time.Sleep(time.Second)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
