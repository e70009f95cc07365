// A server of watches has just been started, behind a proxy that puts all streams on a few HTTP/2 connections. Fifteen hundred clients had
// long waited for it, each somewhere in a long pause, and come back evenly over more than a minute. Each stream has a handler and a goroutine
// that hands on events, which knows nothing of the stream but the channel on which the handler waits.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

type watcher struct {
	input, result chan string
}

type cacher struct {
	mu       sync.Mutex
	watchers map[*watcher]bool
}

func (w *watcher) process() {
	for event := range w.input {
		w.result <- event
	}
	close(w.result)
}

func (c *cacher) dispatch() {
	for {
		time.Sleep(time.Duration(50+mrand.Intn(200)) * time.Millisecond)
		c.mu.Lock()
		for w := range c.watchers {
			if mrand.Intn(10) == 0 {
				select {
				case w.input <- "event\n":
				default:
				}
			}
		}
		c.mu.Unlock()
	}
}

func (c *cacher) serve(w http.ResponseWriter, r *http.Request) {
	watch := &watcher{make(chan string, 10), make(chan string)}
	c.mu.Lock()
	c.watchers[watch] = true
	c.mu.Unlock()
	go watch.process()
	w.WriteHeader(http.StatusOK)
	for {
		w.(http.Flusher).Flush()
		select {
		case event := <-watch.result:
			_, _ = io.WriteString(w, event)
		case <-r.Context().Done():
			c.mu.Lock()
			delete(c.watchers, watch)
			close(watch.input)
			c.mu.Unlock()
			for range watch.result {
			}
			return
		}
	}
}

func watch(client *http.Client, address string, after time.Duration) {
	time.Sleep(after)
	for {
		if response, err := client.Get("https://" + address + "/watch"); err == nil {
			for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			}
			_ = response.Body.Close()
		}
		time.Sleep(time.Second)
	}
}

func clients(address string) {
	mrand.Seed(time.Now().UnixNano())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	for i := 0; i < 1500; i++ {
		go watch(client, address, time.Duration(i)*50*time.Millisecond+time.Duration(mrand.Float64()*float64(time.Second)))
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func main() {
	if len(os.Args) > 2 {
		clients(os.Args[2])
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	c := &cacher{watchers: map[*watcher]bool{}}
	go c.dispatch()
	server := &http.Server{Handler: http.HandlerFunc(c.serve), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate()}}}
	go func() { panic(server.ServeTLS(listener, "", "")) }()
	load := exec.Command(os.Args[0], "clients", listener.Addr().String())
	input, _ = load.StdinPipe()
	if err := load.Start(); err != nil {
		panic(err)
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
