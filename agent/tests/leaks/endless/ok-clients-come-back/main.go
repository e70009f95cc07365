// Sixty reflectors watch a server over one HTTP/2 connection. The server, a process of its own, is ended after fifteen seconds and is back
// forty seconds later. Each reflector tries again after pauses that double, from 0.8 to 30 s, and are up to twice as long by chance: they
// come back one by one over a minute, and stay.
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

// serve sends each watcher an event now and then.
func serve(address string) {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for {
			w.(http.Flusher).Flush()
			select {
			case <-time.After(time.Duration(1+mrand.Intn(9)) * time.Second):
				_, _ = io.WriteString(w, "event\n")
			case <-r.Context().Done():
				return
			}
		}
	})
	config := &tls.Config{Certificates: []tls.Certificate{certificate()}}
	panic((&http.Server{Addr: address, Handler: handler, TLSConfig: config}).ListenAndServeTLS("", ""))
}

func server(address string) *exec.Cmd {
	command := exec.Command(os.Args[0], "serve", address)
	input, _ = command.StdinPipe()
	if err := command.Start(); err != nil {
		panic(err)
	}
	return command
}

func reflector(client *http.Client, address string) {
	pause := 800 * time.Millisecond
	for {
		if response, err := client.Get("https://" + address + "/watch"); err == nil {
			for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			}
			_ = response.Body.Close()
			pause = 800 * time.Millisecond
		}
		time.Sleep(pause + time.Duration(mrand.Int63n(int64(pause))))
		if pause *= 2; pause > 30*time.Second {
			pause = 30 * time.Second
		}
	}
}

func main() {
	if len(os.Args) > 2 {
		serve(os.Args[2])
	}
	mrand.Seed(time.Now().UnixNano())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	first := server(address)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	for i := 0; i < 60; i++ {
		go reflector(&http.Client{Transport: transport}, address)
	}
	go func() {
		time.Sleep(15 * time.Second)
		_ = first.Process.Kill()
		_ = first.Wait()
		time.Sleep(40 * time.Second)
		server(address)
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
