// An HTTP client looks at the status and forgets the body: each connection stays taken, with the two goroutines that the
// transport runs for it. The server is another process.
// LEAK-FUNCTION: connection net/http.(*Transport).dialConn
package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// The other process ends with it: must not be collected.
var input io.Closer

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	page := strings.Repeat("healthy\n", 20_000)
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	go func() { _ = http.Serve(listener, nil) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func check(client *http.Client, url string, careful bool) bool {
	response, err := client.Get(url)
	if err != nil {
		return false
	}
	if careful {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	return response.StatusCode == http.StatusOK
}

func main() {
	if len(os.Args) > 1 {
		serve()
		return
	}
	server := exec.Command(os.Args[0], "serve")
	input, _ = server.StdinPipe()
	output, _ := server.StdoutPipe()
	if err := server.Start(); err != nil {
		panic(err)
	}
	address, _ := bufio.NewReader(output).ReadString('\n')
	url := "http://" + strings.TrimSpace(address) + "/health"
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	go func() {
		for i := 0; ; i++ {
			check(client, url, i%4 != 0)
			time.Sleep(time.Duration(100+rand.Intn(200)) * time.Millisecond)
		}
	}()
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
