package fleettest

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"testing"
)

// balancer gives each request, and each socket, to the next replica, on a connection of its
// own. It tries another one where no connection is made, and nothing else.
type balancer struct {
	of     *Fleet
	ln     net.Listener
	server *http.Server
	served sync.WaitGroup
	asked  sync.WaitGroup // requests and sockets under way
	turn   atomic.Uint64

	mu      sync.Mutex
	sockets []net.Conn // of clients, which the server leaves alone when it ends
	closed  bool
	direct  *http.Transport
}

func newBalancer(t testing.TB, of *Fleet) *balancer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{of: of, ln: ln, direct: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	said := log.New(&of.said, "", log.Lmicroseconds)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.URL.Scheme, r.Out.Host = "http", r.In.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
		},
		Transport: b, FlushInterval: -1, ErrorLog: said,
	}
	b.server = &http.Server{ErrorLog: said, ConnState: b.note, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		defer b.asked.Done()
		proxy.ServeHTTP(w, r)
	})}
	b.served.Go(func() {
		defer func() { _ = recover() }()
		_ = b.server.Serve(ln) // it ends with close
	})
	return b
}

var errNobody = errors.New("no replica serves")

// RoundTrip implements http.RoundTripper.
func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	// The whole body is there before a replica is asked: a server of net/http closes it with
	// the first byte of the response, and what copies it then fails.
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	first, failed := b.turn.Add(1), errNobody
	n := uint64(len(b.of.Replicas))
	for i := range n {
		addr, connected := b.of.Replicas[(first+i)%n].serving()
		if addr == "" {
			continue
		}
		out := r.Clone(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{ConnectDone: func(string, string, error) { connected() }}))
		out.URL.Host = addr
		if len(body) > 0 {
			out.Body = io.NopCloser(bytes.NewReader(body))
		}
		resp, err := b.direct.RoundTrip(out)
		connected()
		var unmade *net.OpError
		if err == nil || !errors.As(err, &unmade) || unmade.Op != "dial" {
			return resp, err
		}
		failed = err
	}
	return nil, failed
}

// note keeps connections that have become sockets.
func (b *balancer) note(conn net.Conn, is http.ConnState) {
	if is != http.StateHijacked {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sockets = append(b.sockets, conn)
	if b.closed {
		_ = conn.Close()
	}
}

func (b *balancer) close() {
	_ = b.server.Close()
	b.mu.Lock()
	b.closed = true
	for _, conn := range b.sockets {
		_ = conn.Close()
	}
	b.mu.Unlock()
	b.served.Wait()
	b.asked.Wait()
}
