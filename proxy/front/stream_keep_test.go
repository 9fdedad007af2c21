package front_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// certificate writes a certificate for 127.0.0.1 and its key, and returns the lines of
// the configuration and who trusts it.
func certificate(t *testing.T) (conf string, roots *x509.CertPool) {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	srv.Close()
	pair := srv.TLS.Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	return "tls: {cert: " + filepath.ToSlash(filepath.Join(dir, "cert.pem")) + ", key: " + filepath.ToSlash(filepath.Join(dir, "key.pem")) + "}\n", roots
}

const (
	streamed = `{"model":"echo","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	wholly   = `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`
)

// A connection that has carried a stream is the server's again: it carries further
// streams and whole answers, and none of them leaves anything behind.
func TestOneConnectionCarriesAnyNumberOfStreams(t *testing.T) {
	t.Parallel()
	secure, roots := certificate(t)
	for name, conf := range map[string]string{"plain": "", "TLS": secure} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, callers+conf+"channels:\n"+channel("up", "openai", "", "echo"))
			var c net.Conn = w.Dial(t)
			if conf != "" {
				c = tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
			}
			in := bufio.NewReader(c)
			for n := range 60 {
				body := streamed
				if n%3 == 2 {
					body = wholly
				}
				if _, err := io.WriteString(c, post("/v1/chat/completions", body)); err != nil {
					t.Fatal(n, err)
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(n, err)
				}
				text, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != 200 || resp.Close || !strings.Contains(string(text), "hi") {
					t.Fatal(n, resp, string(text), err)
				}
				if stream := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream"); stream != (n%3 != 2) {
					t.Fatal(n, resp.Header)
				}
			}
			_ = c.Close()
		})
	}
}

// Whoever asks for it gets the connection closed behind a stream, and so does whoever speaks
// HTTP/1.0, for whom nothing else ends it.
func TestAConnectionIsClosedBehindAStreamWhereItsClientSaysSo(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo"))
	for _, c := range []struct {
		version, header string
		kept            bool
	}{
		{"HTTP/1.1", "", true}, {"HTTP/1.1", "Connection: close\r\n", false},
		{"HTTP/1.0", "", false}, {"HTTP/1.0", "Connection: keep-alive\r\n", false},
	} {
		conn := w.Dial(t)
		request := strings.Replace(post("/v1/chat/completions", streamed), "HTTP/1.1\r\n", c.version+"\r\n"+c.header, 1)
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(c, err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil || resp.Close == c.kept {
			t.Errorf("%+v: %v, %v", c, resp, err)
		}
		if !c.kept {
			if _, err := in.ReadByte(); err != io.EOF {
				t.Errorf("%+v: %v behind the stream", c, err)
			}
			continue
		}
		if _, err := io.WriteString(conn, post("/v1/chat/completions", wholly)); err != nil {
			t.Fatal(c, err)
		}
		if resp, err = http.ReadResponse(in, nil); err != nil || resp.StatusCode != 200 {
			t.Errorf("%+v: %v, %v", c, resp, err)
		}
		_ = conn.Close()
	}
}

// A connection that waits behind a stream keeps nobody waiting.
func TestAServerThatStopsClosesConnectionsThatWaitBehindAStream(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo"))
	var waiting []*bufio.Reader
	for range 4 {
		c := w.Dial(t)
		if _, err := io.WriteString(c, post("/v1/chat/completions", streamed)); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, in)
	}
	began := time.Now()
	w.Shutdown(world.Limit)
	if took := time.Since(began); took > world.Limit/2 {
		t.Errorf("the server took %v to stop", took)
	}
	for _, in := range waiting {
		if _, err := in.ReadByte(); err == nil {
			t.Error("a byte behind the stream")
		}
	}
}

// While a stream trickles, the server holds nothing of its request: not the reader and
// the writer of the connection, not what it has parsed.
func TestAStreamDoesNotKeepTheServerOfItsRequestBusy(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo", "stallmid"))
	c := w.Dial(t)
	if _, err := io.WriteString(c, post("/v1/chat/completions", strings.Replace(streamed, "echo", "stallmid", 1))); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	w.Eventually(t, "the answer waits outside of the handler", func() bool {
		stacks := make([]byte, 4<<20)
		for _, one := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(one, "front.(*stream).pump") && !strings.Contains(one, "fasthttp") {
				return true
			}
		}
		return false
	})
	_ = c.Close()
	w.Eventually(t, "the answer is abandoned", func() bool { return w.Model.Active() == 0 })
}
