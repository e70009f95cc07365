// LEAK-FUNCTION: body net/http.(*Transport).dialConn
// Where the status is not 200 the body is not closed. The connection was used before, so that the timer that would close it if it were
// idle is still pending. The other side is a child process.
package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

func upstream() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ln.Addr().String())
	go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	rand.Seed(time.Now().UnixNano())
	http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rand.Intn(8) == 0 {
			w.WriteHeader(503)
			w.Write([]byte(strings.Repeat("overloaded ", 20)))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		w.Write([]byte(strings.Repeat("price ", 200)))
	}))
}

type poller struct {
	c    *http.Client
	base string
}

func (p *poller) fetch(sym int) (string, error) {
	resp, err := p.c.Get(fmt.Sprintf("%s/%d", p.base, sym))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != 200 {
		return "", fmt.Errorf("status %s", resp.Status)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

var child *exec.Cmd // kept alive, with its stdin pipe

func main() {
	if len(os.Args) > 1 && os.Args[1] == "upstream" {
		upstream()
		return
	}
	rand.Seed(time.Now().UnixNano())
	child = exec.Command(os.Args[0], "upstream")
	cmd := child
	in, _ := cmd.StdinPipe()
	_ = in
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	addr, _ := bufio.NewReader(out).ReadString('\n')
	p := &poller{c: &http.Client{}, base: "http://" + strings.TrimSpace(addr)}
	for i := 0; i < 4; i++ {
		go func() {
			for {
				p.fetch(rand.Intn(1000))
				time.Sleep(time.Duration(200+rand.Intn(600)) * time.Millisecond)
			}
		}()
	}
	fmt.Println("ready", os.Getpid())
	_, _ = io.Copy(io.Discard, os.Stdin)
}
