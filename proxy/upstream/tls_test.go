package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// secure serves handler with TLS and returns options that trust it.
func secure(t testing.TB, handler http.HandlerFunc) (*httptest.Server, Options, *atomic.Int32) {
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return srv, Options{TLS: &tls.Config{RootCAs: roots}}, &conns
}

func TestStreamsOverTLSShareConnections(t *testing.T) {
	t.Parallel()
	srv, o, conns := secure(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, s := range []string{deltaHi, deltaYou, deltaStop, dataDone} {
			_, _ = w.Write([]byte(s))
			w.(http.Flusher).Flush()
		}
	})
	up, err := New(&config.Channel{ID: "c", Kind: "openai", URL: srv.URL}, "k", o)
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	for range 50 {
		if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
			t.Fatal(a, err)
		}
	}
	// The end of a body may be late on a busy machine, and is not waited for long.
	if n := conns.Load(); n > 5 {
		t.Errorf("%d connections for 50 answers", n)
	}
	srv.CloseClientConnections()
	if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
		t.Error(a, err)
	}
}

func TestACertificateThatNobodyVouchesForIsRefused(t *testing.T) {
	t.Parallel()
	srv, _, _ := secure(t, func(http.ResponseWriter, *http.Request) { t.Error("the question was sent") })
	srv.Config.ErrorLog = quietLog()
	_, err := ask(t, open(t, "openai", srv.URL), question("m", true))
	wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
}
