package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/forwardproxy"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// protocols is a set of them.
func protocols(set ...func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	for _, f := range set {
		f(p, true)
	}
	return p
}

// modern is a server of these protocols.
type modern struct {
	*httptest.Server
	conns atomic.Int32
}

// serveModern serves h, behind TLS unless that is false.
func serveModern(t testing.TB, h http.HandlerFunc, secured bool, p *http.Protocols) *modern {
	m := &modern{}
	m.Server = httptest.NewUnstartedServer(h)
	m.Config.Protocols, m.EnableHTTP2 = p, p.HTTP2()
	m.Config.ErrorLog = quietLog()
	m.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			m.conns.Add(1)
		}
	}
	if secured {
		m.StartTLS()
	} else {
		m.Start()
	}
	t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

// adapter gives what comes by any protocol to the server of HTTP/1 at addr.
func adapter(addr string) http.HandlerFunc {
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	p.FlushInterval = -1
	p.ErrorLog = quietLog()
	p.Transport = &http.Transport{DisableKeepAlives: true}
	return func(w http.ResponseWriter, r *http.Request) {
		// A server of HTTP/1 closes the body of a request once its answer begins, which a
		// transport that has not read it to the end yet takes for a failure.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.ServeHTTP(w, r)
	}
}

var trusting = Options{TLS: &tls.Config{InsecureSkipVerify: true}}

// roads are the transports, and servers for them.
var roads = []struct {
	name, transport string
	secured         bool
	protocols       *http.Protocols
	major           int
}{
	{"http2", "http2", true, protocols((*http.Protocols).SetHTTP2), 2},
	{"http2 of a server that has both", "http2", true, protocols((*http.Protocols).SetHTTP2, (*http.Protocols).SetHTTP1), 2},
	{"h2c", "http2", false, protocols((*http.Protocols).SetUnencryptedHTTP2), 2},
	{"h2c of a server that has both", "http2", false, protocols((*http.Protocols).SetUnencryptedHTTP2, (*http.Protocols).SetHTTP1), 2},
	{"auto, HTTP/2", "auto", true, protocols((*http.Protocols).SetHTTP2, (*http.Protocols).SetHTTP1), 2},
	{"auto, HTTP/1", "auto", true, protocols((*http.Protocols).SetHTTP1), 1},
	{"auto, without TLS", "auto", false, protocols((*http.Protocols).SetHTTP1, (*http.Protocols).SetUnencryptedHTTP2), 1},
}

func TestEveryTransportBringsTheSameAnswers(t *testing.T) {
	t.Parallel()
	outcome := func(up Upstream, model string, stream bool) string {
		a, err := ask(t, up, question(model, stream))
		if err == nil {
			return fmt.Sprintf("%q, finish %s, usage %+v", a.Text(), a.Finish, a.Usage)
		}
		e := fault(t, err)
		return fmt.Sprintf("fault %s, code %s, retry %v", e.Fault, e.Code, e.Retry)
	}
	for _, road := range roads {
		t.Run(road.name, func(t *testing.T) {
			t.Parallel()
			// Each has a server of its own, since rest's remembers.
			_, addr := fake(t, mockmodel.Options{NoRecord: true})
			_, other := fake(t, mockmodel.Options{NoRecord: true})
			srv := serveModern(t, adapter(other), road.secured, road.protocols)
			for _, kind := range []string{"openai", "anthropic", "rest"} {
				path, _ := url.Parse(base(kind, addr))
				one := open(t, kind, base(kind, addr))
				up := reached(t, `kind: `+kind+`, url: "`+srv.URL+path.Path+`", transport: `+road.transport, nil, trusting)
				for _, model := range []string{
					"echo", "burst-30", "unicode", "double", "tool", "reasoning", "long-200", "fail-400", "fail-401", "fail-404", "fail-429", "fail-500", "fail-503",
					"drop", "cut0", "cut", "garbagemid", "error200", "errormid", "noend", "blank", "echo",
				} {
					for _, stream := range []bool{true, false} {
						if want, got := outcome(one, model, stream), outcome(up, model, stream); got != want {
							t.Errorf("%s, %s, stream %v: %s, want %s", kind, model, stream, got, want)
						}
					}
				}
			}
		})
	}
}

func TestQuestionsShareAConnectionOfHTTP2(t *testing.T) {
	t.Parallel()
	for _, road := range roads {
		var major atomic.Int32
		srv := serveModern(t, func(w http.ResponseWriter, r *http.Request) {
			major.Store(int32(r.ProtoMajor))
			streaming(w, r)
		}, road.secured, road.protocols)
		up := reached(t, `kind: openai, url: "`+srv.URL+`", transport: `+road.transport, nil, trusting)
		if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
			t.Fatal(road.name, a, err)
		}
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
					t.Error(road.name, a, err)
				}
			})
		}
		wg.Wait()
		if int(major.Load()) != road.major || road.major == 2 && srv.conns.Load() > 2 {
			t.Errorf("%s: HTTP/%d on %d connections", road.name, major.Load(), srv.conns.Load())
		}
		// Connections that broke meanwhile cost nothing.
		srv.CloseClientConnections()
		for until := time.Now().Add(limit); ; {
			if a, err := ask(t, up, question("m", true)); err == nil && a.Text() == "Hi you" {
				break
			} else if time.Now().After(until) {
				t.Fatal(road.name, err)
			}
		}
	}
}

func TestALeavingClientResetsTheStreamWhateverTheTransport(t *testing.T) {
	t.Parallel()
	for _, road := range roads {
		for _, when := range []string{"before the head", "in the answer"} {
			left, came := make(chan time.Time, 1), make(chan bool, 1)
			srv := serveModern(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // or HTTP/1 servers look at nothing else
				if when == "in the answer" {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = w.Write([]byte(deltaHi))
					w.(http.Flusher).Flush()
				}
				came <- true
				<-r.Context().Done()
				left <- time.Now()
			}, road.secured, road.protocols)
			up := reached(t, `kind: openai, url: "`+srv.URL+`", transport: `+road.transport, nil, trusting)
			cause := &translate.Error{Code: translate.CodeModel, Fault: translate.FaultSlow, Message: "too slow"}
			ctx, cancel := context.WithCancelCause(within(t))
			var at time.Time
			var wg sync.WaitGroup
			wg.Go(func() {
				<-came
				at = time.Now()
				cancel(cause)
			})
			s, err := up.Open(ctx, question("m", true))
			if err == nil {
				_, _, err = read(s)
			}
			wg.Wait()
			if err != error(cause) {
				t.Errorf("%s, %s: %v", road.name, when, err)
			}
			select {
			case then := <-left:
				t.Logf("%s, %s: the server saw it after %v", road.name, when, then.Sub(at))
			case <-time.After(limit):
				t.Errorf("%s, %s: the server was not told", road.name, when)
			}
		}
	}
}

func TestATransportThatTheServerDoesNotSpeakIsNamed(t *testing.T) {
	t.Parallel()
	secured := serveModern(t, streaming, true, protocols((*http.Protocols).SetHTTP1))
	open := serveModern(t, streaming, false, protocols((*http.Protocols).SetHTTP1))
	silent := tlsServer(t, &tls.Config{Certificates: secured.TLS.Certificates})
	for _, c := range []struct{ url, want string }{
		{secured.URL, "does not speak HTTP/2; set transport: http1"},
		{open.URL, "does not speak HTTP/2; set transport: http1"},
		{"https://" + silent, "does not speak HTTP/2; set transport: http1"},
		{"https://" + open.Listener.Addr().String(), "begin with http://"},
		{"https://127.0.0.1:1", "refused"},
		{"http://127.0.0.1:1", "refused"},
	} {
		up := reached(t, `kind: openai, url: "`+c.url+`", transport: http2`, nil, trusting)
		_, err := ask(t, up, question("m", true))
		if e := fault(t, err); !strings.Contains(err.Error(), c.want) || e.Fault != translate.FaultDial && e.Fault != translate.FaultBroken {
			t.Errorf("%s: no %q in %v", c.url, c.want, err)
		}
	}
}

func TestHTTP2GoesThroughProxies(t *testing.T) {
	t.Parallel()
	for _, road := range roads {
		srv := serveModern(t, streaming, road.secured, road.protocols)
		for _, scheme := range []string{"http", "socks5"} {
			p := forwardproxy.Start(t, forwardproxy.Options{User: "u", Password: "p"})
			up := reached(t, `kind: openai, url: "`+srv.URL+`", transport: `+road.transport+`, proxy: "`+scheme+`://u:p@`+p.Addr+`"`, nil, trusting)
			if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" || len(p.Seen()) != 1 {
				t.Error(road.name, scheme, a, err, p.Seen())
			}
			up = reached(t, `kind: openai, url: "`+srv.URL+`", transport: `+road.transport+`, proxy: "`+scheme+`://`+p.Addr+`"`, nil, trusting)
			_, err := ask(t, up, question("m", true))
			wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
			if !errors.Is(err, errProxy) && !strings.Contains(err.Error(), "needs a user and a password") {
				t.Error(road.name, scheme, err)
			}
		}
	}
}

func TestConnectionsLiveNoLongerThanTheirGreatestAge(t *testing.T) {
	t.Parallel()
	for _, road := range roads {
		srv := serveModern(t, streaming, road.secured, road.protocols)
		up := reached(t, `kind: openai, url: "`+srv.URL+`", transport: `+road.transport+`, max_age: 1ns`, nil, trusting)
		for range 5 {
			if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
				t.Fatal(road.name, a, err)
			}
		}
		if n := srv.conns.Load(); n < 5 { // one more where the server was asked what it speaks
			t.Errorf("%s: %d connections for 5 questions", road.name, n)
		}
	}
}

func TestSocketsLiveNoLongerThanTheirGreatestAge(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, mockmodel.Options{NoRecord: true})
	for _, kind := range []string{"chatnio", "iagent"} {
		for age, want := range map[string]int32{"1ns": 5, "1h": 1} {
			var dials atomic.Int32
			o := Options{Dial: func(ctx context.Context, address string) (net.Conn, error) {
				dials.Add(1)
				return new(net.Dialer).DialContext(ctx, "tcp", address)
			}}
			setting := `kind: ` + kind + `, url: "` + base(kind, addr) + `", max_age: ` + age
			if kind == "iagent" {
				setting += ", connections: 1"
			}
			up := reached(t, setting, nil, o)
			for i := range 5 {
				req := question("echo", true)
				req.Memory.ID, req.Memory.InSync = "c1", i > 0
				if a, err := ask(t, up, req); err != nil || a.Text() == "" {
					t.Fatal(kind, age, a, err)
				}
			}
			if n := dials.Load(); n != want {
				t.Errorf("%s, max_age %s: %d connections for 5 questions, want %d", kind, age, n, want)
			}
		}
	}
}
