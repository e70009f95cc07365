// Caddy with one more handler, `report`: it reports requests to a collector, and gives up on it after a while. What is left behind is
// the goroutine that has the report. The configuration says whether the handler is used.
package main

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func init() { caddy.RegisterModule(report{}) }

type report struct{}

func (report) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.report", New: func() caddy.Module { return new(report) }}
}

func (report) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.Header.Get("X-Report") == "" {
		return next.ServeHTTP(w, r)
	}
	sent := make(chan int)
	go func(length int) { // LEAK: report
		time.Sleep(30 * time.Millisecond)
		sent <- length
	}(len(r.URL.Path))
	err := next.ServeHTTP(w, r)
	select {
	case <-sent:
	case <-time.After(5 * time.Millisecond):
	}
	return err
}

func main() { caddycmd.Main() }
