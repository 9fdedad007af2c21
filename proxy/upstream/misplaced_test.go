package upstream

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// frames of HTTP/2, as a server begins.
const (
	settings = "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
	goaway   = "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
)

func TestAServerOfAnotherProtocolIsNamedWithWhatToSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, bytes, want string
		open              bool // the server waits for more
	}{
		{"HTTP/2 without TLS", settings, "set transport: http2", false},
		{"HTTP/2 that waits", settings, "set transport: http2", true},
		{"HTTP/2 that says good-bye", goaway, "set transport: http2", true},
		{"a TLS alert", "\x15\x03\x03\x00\x02\x02\x46", "begin with https://", false},
		{"a TLS alert that waits", "\x15\x03\x01\x00\x02\x02\x0a", "begin with https://", true},
		{"SSH", "SSH-2.0-OpenSSH_9.6\r\n", `"SSH-2.0-OpenSSH_`, true},
		{"SMTP", "220 mail ESMTP\r\n", `"220 mail ESMTP`, true},
		{"HTTP/0.9", "<html>hello", `"<html>hello"`, true},
	} {
		for _, kind := range outside() {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				p := listen(t, func(l *link) {
					if _, _, ok := l.request(); ok {
						l.say(c.bytes)
						if c.open {
							l.gone()
						}
					}
				})
				began := time.Now()
				_, err := ask(t, open(t, kind, "http://"+p.Addr().String()+"/x"), question("m", true))
				if e := fault(t, err); e.Fault != translate.FaultBroken && e.Fault != translate.FaultDial || !strings.Contains(err.Error(), c.want) {
					t.Errorf("no %q in %v", c.want, err)
				}
				if time.Since(began) > 10*time.Second {
					t.Errorf("it took %v", time.Since(began))
				}
			})
		}
	}
}

func TestMistakesOfTLSAreNamedWithWhatToSet(t *testing.T) {
	t.Parallel()
	secured := httptest.NewUnstartedServer(http.HandlerFunc(streaming))
	secured.Config.ErrorLog = quietLog()
	secured.StartTLS()
	t.Cleanup(secured.Close)
	// One speaks nothing of what is offered, and says so; Go's servers let HTTP/1.1 through
	// and then begin with HTTP/2.
	only := tlsServer(t, &tls.Config{Certificates: secured.TLS.Certificates, NextProtos: []string{"h3"}})
	behind := tlsServer(t, &tls.Config{Certificates: secured.TLS.Certificates, NextProtos: []string{"h2"}})
	open := plain(t, streaming)
	o := Options{TLS: &tls.Config{InsecureSkipVerify: true}}
	for _, c := range []struct{ name, url, want string }{
		{"http to a port of TLS", "http://" + secured.Listener.Addr().String(), "begin with https://"},
		{"https to a port without TLS", "https://" + open.Listener.Addr().String(), "begin with http://"},
		{"HTTP/2 only, behind TLS", "https://" + only, "set transport: http2"},
		{"HTTP/2 in spite of all", "https://" + behind, "set transport: http2"},
	} {
		for _, kind := range outside() {
			up := reached(t, `kind: `+kind+`, url: "`+c.url+`"`, nil, o)
			_, err := ask(t, up, question("m", true))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: no %q in %v", c.name, kind, c.want, err)
			}
		}
	}
}

// tlsServer makes handshakes and begins with HTTP/2.
func tlsServer(t testing.TB, conf *tls.Config) string {
	p := listen(t, func(l *link) {
		c := tls.Server(struct {
			net.Conn
		}{l.Conn}, conf)
		if c.Handshake() == nil {
			_, _ = io.WriteString(c, settings)
		}
		_, _ = io.Copy(io.Discard, c)
	})
	return p.Addr().String()
}

func TestWordsOfServersThatWantTLSAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"Go":     "Client sent an HTTP request to an HTTPS server.\n",
		"nginx":  "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n</body></html>",
		"Apache": "<p>Your browser sent a request that this server could not understand.<br />\nReason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use the HTTPS scheme to access this URL, please.<br />\n</p>",
		"Tomcat": "Bad Request\r\nThis combination of host and port requires TLS.\r\n",
	} {
		for _, kind := range outside() {
			srv := plain(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, text)
			})
			_, err := ask(t, open(t, kind, srv.URL), question("m", true))
			if e := fault(t, err); e.Fault == translate.FaultRejected || !strings.Contains(err.Error(), "begin with https://") {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
		}
	}
}

func TestARedirectIsNamedWithTheAddressToSet(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, c := range []struct{ to, want string }{
			{"https://api.example.com/v1/chat/completions?key=s3cr3t#x", "set url: https://api.example.com/v1"},
			{"https://me:s3cr3t@api.example.com/v1/chat/completions", "set url: https://api.example.com/v1"},
			{"/v2/chat/completions", "/v2"},
			{"//other.example.com/v1/chat/completions", "set url: http://other.example.com/v1"},
			{"https://login.example.com/signin?next=s3cr3t", "to https://login.example.com/signin: mend url"},
			{"https://%zz/", "an address that is none"},
			{"mailto:me@example.com", "mend url"},
		} {
			srv := plain(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", c.to)
				w.WriteHeader(status)
				fmt.Fprint(w, "<html>moved</html>")
			})
			_, err := ask(t, open(t, "openai", srv.URL+"/v1"), question("m", true))
			wantFault(t, err, translate.FaultAstray, translate.CodeUnavailable)
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), fmt.Sprint(status)) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: no %q in %v", c.to, c.want, err)
			}
		}
	}
	for _, kind := range []string{"chatnio", "iagent"} {
		srv := plain(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://socket.example.com/chat?token=s3cr3t")
			w.WriteHeader(301)
		})
		_, err := ask(t, open(t, kind, srv.URL), question("m", true))
		if err == nil || !strings.Contains(err.Error(), "redirects with status 301 to https://socket.example.com") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
