// Broker: request/reply over topics; each call makes a subscription whose forwarder waits for messages; Unsubscribe removes
// it from the map only. 300 per second.
package main

import (
	"math/rand"
	"sync"
	"time"
)

type subscription struct {
	topic string
	in    chan string
}

type broker struct {
	mu   sync.Mutex
	subs map[string][]*subscription
}

func (b *broker) subscribe(topic string, fn func(string)) *subscription {
	s := &subscription{topic: topic, in: make(chan string, 1)}
	b.mu.Lock()
	b.subs[topic] = append(b.subs[topic], s)
	b.mu.Unlock()
	go func() { // LEAK: broker-subscribe
		for m := range s.in {
			fn(m)
		}
	}()
	return s
}

func (b *broker) unsubscribe(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.subs[s.topic]
	for i, x := range l {
		if x == s {
			l = append(l[:i], l[i+1:]...)
			break
		}
	}
	if len(l) == 0 {
		delete(b.subs, s.topic)
	} else {
		b.subs[s.topic] = l
	}
}

func (b *broker) publish(topic, m string) {
	b.mu.Lock()
	for _, s := range b.subs[topic] {
		select {
		case s.in <- m:
		default:
		}
	}
	b.mu.Unlock()
}

func (b *broker) request(id string) string {
	got := make(chan string, 1)
	s := b.subscribe("reply."+id, func(m string) { got <- m })
	defer b.unsubscribe(s)
	b.publish("reply."+id, "pong")
	return <-got
}

func main() {
	b := &broker{subs: map[string][]*subscription{}}
	rand.Seed(time.Now().UnixNano())
	t := time.NewTicker(20 * time.Millisecond)
	for range t.C {
		for i := 0; i < 6; i++ {
			id := string(rune('a'+rand.Intn(26))) + string(rune('a'+rand.Intn(26)))
			go b.request(id)
		}
	}
}
