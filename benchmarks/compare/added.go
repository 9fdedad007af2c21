//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// added is what dragoman of now has beside that of before.
type added struct {
	collector *httptest.Server // that spans are sent to; nil: everything else is off as well
	consoles  int
}

func (o *options) paired() bool { return o.Against != "" || o.Everything || o.Consoles > 0 }

// add starts what is needed for what is added.
func (b *bench) add() {
	b.added.consoles = b.Consoles
	if b.Everything {
		b.added.collector = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/x-protobuf")
		}))
	}
}

func (a *added) close() {
	if a.collector != nil {
		a.collector.Close()
	}
}

// configuration is that of everything which can be switched on.
func (a *added) configuration() string {
	if a.collector == nil {
		return ""
	}
	return fmt.Sprintf("traces: {endpoint: %q, sample: 0.01}\nlog: {format: json}\nreload: {watch: true}\n", a.collector.URL)
}

// open opens the streams that so many consoles would have at the operator's side of a gateway, and
// returns what closes them.
func (a *added) open(ctx context.Context, operator string) (end func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var reads sync.WaitGroup
	end = func() { cancel(); reads.Wait() }
	for range a.consoles {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+operator+"/api/events?changes=true", nil)
		if err != nil {
			end()
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+operatorToken)
		answer, err := http.DefaultClient.Do(r)
		if err == nil && answer.StatusCode != http.StatusOK {
			_ = answer.Body.Close()
			err = fmt.Errorf("the stream of a console: %s", answer.Status)
		}
		if err != nil {
			end()
			return nil, err
		}
		reads.Go(func() {
			defer func() { _ = recover() }()
			_, _ = io.Copy(io.Discard, answer.Body) // until the end of ctx
			_ = answer.Body.Close()
		})
	}
	return end, nil
}
