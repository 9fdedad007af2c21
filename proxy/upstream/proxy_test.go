package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/forwardproxy"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// loaded is the only channel of a file, reached by what it and the environment say.
func loaded(t testing.TB, channel string, environment map[string]string) *config.Channel {
	t.Helper()
	c, err := config.Load([]byte("channels:\n- {id: c, models: [m], "+channel+"}\n"), "f", func(name string) (string, bool) {
		v, ok := environment[name]
		return v, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return &c.Channels[0]
}

// reached returns the upstream of such a channel.
func reached(t testing.TB, channel string, environment map[string]string, o Options) Upstream {
	t.Helper()
	up, err := New(loaded(t, channel, environment), "sk-test-key-0001", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = up.Close() })
	return up
}

func streaming(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = w.Write([]byte(answer))
}

func plain(t testing.TB, h http.HandlerFunc) *httptest.Server {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func TestEveryKindOfProxyCarriesQuestionsAndTheyAreAnswered(t *testing.T) {
	t.Parallel()
	open := plain(t, streaming)
	closed, o, _ := secure(t, streaming)
	// All test servers of the standard library have one certificate.
	proxied := &tls.Config{Certificates: closed.TLS.Certificates}
	at, sat := strings.TrimPrefix(open.URL, "http://"), strings.TrimPrefix(closed.URL, "https://")
	for _, c := range []struct {
		name, proxy, url string
		options          forwardproxy.Options
		want             string
	}{
		{"http to http", "http://[]", open.URL, forwardproxy.Options{}, "POST " + open.URL + "/chat/completions"},
		{"http to https", "http://[]", closed.URL, forwardproxy.Options{}, "CONNECT " + sat},
		{"http with a password to http", "http://me:s%40fe:x@[]", open.URL, forwardproxy.Options{User: "me", Password: "s@fe:x"}, "POST " + open.URL + "/chat/completions"},
		{"http with a password to https", "http://me:s%40fe:x@[]", closed.URL, forwardproxy.Options{User: "me", Password: "s@fe:x"}, "CONNECT " + sat},
		{"https to http", "https://[]", open.URL, forwardproxy.Options{TLS: proxied}, "POST " + open.URL + "/chat/completions"},
		{"https with a password to https", "https://u:p@[]", closed.URL, forwardproxy.Options{TLS: proxied, User: "u", Password: "p"}, "CONNECT " + sat},
		{"socks5 to http", "socks5://[]", open.URL, forwardproxy.Options{}, "SOCKS ip " + at},
		{"socks5 with a password to https", "socks5://u:p@[]", closed.URL, forwardproxy.Options{User: "u", Password: "p"}, "SOCKS ip " + sat},
		{"socks5h to a name", "socks5h://[]", "http://model.test:81", forwardproxy.Options{Hosts: map[string]string{"model.test:81": at}}, "SOCKS name model.test:81"},
		{"socks5h with a password that is not wanted", "socks5h://u:p@[]", "http://model.test:81", forwardproxy.Options{Hosts: map[string]string{"model.test:81": at}}, "SOCKS name model.test:81"},
		{"http to a name that only the proxy knows", "HTTP://[]", "http://model.test", forwardproxy.Options{Hosts: map[string]string{"model.test:80": at}}, "POST http://model.test/chat/completions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := forwardproxy.Start(t, c.options)
			up := reached(t, `kind: openai, url: "`+c.url+`", proxy: "`+strings.Replace(c.proxy, "[]", p.Addr, 1)+`"`, nil, o)
			for range 3 {
				if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
					t.Fatal(a, err)
				}
			}
			seen := p.Seen()
			if len(seen) == 0 || slices.ContainsFunc(seen, func(s string) bool { return s != c.want }) {
				t.Errorf("the proxy saw %q, want %q", seen, c.want)
			}
			if len(seen) != 1 && !strings.HasPrefix(c.want, "POST") {
				t.Errorf("the connection was not used again: %q", seen)
			}
		})
	}
}

func TestTheEnvironmentSaysWhatTheFileDoesNot(t *testing.T) {
	t.Parallel()
	srv := plain(t, streaming)
	at := strings.TrimPrefix(srv.URL, "http://")
	p := forwardproxy.Start(t, forwardproxy.Options{Hosts: map[string]string{"model.test:80": at, "10.1.2.3:80": at}})
	other := forwardproxy.Start(t, forwardproxy.Options{Hosts: map[string]string{"model.test:80": at}})
	// What is reached directly is the server, whatever its name.
	direct := Options{Dial: func(ctx context.Context, address string) (net.Conn, error) {
		if address == "127.0.0.1:1" {
			t.Error("the proxy is asked")
		}
		return new(net.Dialer).DialContext(ctx, "tcp", at)
	}}
	for _, c := range []struct {
		name        string
		channel     string
		environment map[string]string
		through     bool
	}{
		{"HTTP_PROXY", `url: "http://model.test"`, map[string]string{"HTTP_PROXY": "http://" + p.Addr}, true},
		{"http_proxy", `url: "http://model.test"`, map[string]string{"http_proxy": p.Addr}, true},
		{"lower case first", `url: "http://model.test"`, map[string]string{"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://" + p.Addr}, true},
		{"ALL_PROXY", `url: "http://model.test"`, map[string]string{"ALL_PROXY": "socks5h://" + p.Addr}, true},
		{"all_proxy", `url: "http://model.test"`, map[string]string{"all_proxy": "socks5h://" + p.Addr}, true},
		{"HTTPS_PROXY is not for http", `url: "http://model.test"`, map[string]string{"HTTPS_PROXY": "http://127.0.0.1:1"}, false},
		{"NO_PROXY", `url: "http://model.test"`, map[string]string{"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "example.com, .test"}, false},
		{"no_proxy of a network", `url: "http://10.1.2.3"`, map[string]string{"ALL_PROXY": "http://127.0.0.1:1", "no_proxy": "10.0.0.0/8"}, false},
		{"NO_PROXY=*", `url: "http://model.test"`, map[string]string{"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*"}, false},
		{"this machine", `url: "` + srv.URL + `"`, map[string]string{"HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}, false},
		{"this machine by name", `url: "http://localhost"`, map[string]string{"HTTP_PROXY": "http://127.0.0.1:1"}, false},
		{"direct goes before it", `proxy: direct, url: "http://model.test"`, map[string]string{"HTTP_PROXY": "http://127.0.0.1:1"}, false},
		{"the channel goes before it", `proxy: "http://` + p.Addr + `", url: "http://model.test"`, map[string]string{"HTTP_PROXY": "http://" + other.Addr, "NO_PROXY": "*"}, true},
		{"this machine where it is asked for", `proxy: "http://` + p.Addr + `", url: "` + srv.URL + `"`, nil, true},
	} {
		before := len(p.Seen())
		o := Options{}
		if !c.through {
			o = direct
		}
		up := reached(t, "kind: openai, "+c.channel, c.environment, o)
		if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
			t.Fatal(c.name, a, err)
		}
		if through := len(p.Seen()) > before; through != c.through {
			t.Errorf("%s: through the proxy: %v", c.name, through)
		}
	}
	if seen := other.Seen(); len(seen) > 0 {
		t.Errorf("the other proxy saw %q", seen)
	}
}

func TestAProxyThatRefusesIsNamedWithItsSettingAndWithoutItsPassword(t *testing.T) {
	t.Parallel()
	closed, o, _ := secure(t, streaming)
	open := plain(t, streaming)
	for _, c := range []struct {
		name, proxy, url string
		options          forwardproxy.Options
		want             []string
	}{
		{"no password, tunnel", "http://[]", closed.URL, forwardproxy.Options{User: "u", Password: "hunter22"}, []string{"needs a user and a password", "407", "(proxy of the channel)"}},
		{"no password, whole request", "http://[]", open.URL, forwardproxy.Options{User: "u", Password: "hunter22"}, []string{"needs a user and a password", "407", "(proxy of the channel)"}},
		{"no password, socks", "socks5://[]", open.URL, forwardproxy.Options{User: "u", Password: "hunter22"}, []string{"needs a user and a password", "socks5://USER:PASSWORD@"}},
		{"a wrong one, tunnel", "http://u:wrong-word@[]", closed.URL, forwardproxy.Options{User: "u", Password: "hunter22"}, []string{"refuses the user or the password", "http://u:***@"}},
		{"a wrong one, whole request", "http://u:wrong-word@[]", open.URL, forwardproxy.Options{User: "u", Password: "hunter22"}, []string{"refuses the user or the password", "http://u:***@"}},
		{"a wrong one, socks", "socks5://u:wrong-word@[]", open.URL, forwardproxy.Options{User: "u", Password: "hunter22"}, []string{"refuses the user or the password"}},
		{"another way to sign in", "http://[]", closed.URL, forwardproxy.Options{User: "u", Scheme: "NTLM"}, []string{"not spoken here"}},
		{"forbidden, tunnel", "http://[]", closed.URL, forwardproxy.Options{Refuse: 403}, []string{"refuses the connection with status 403 Forbidden", "CONNECT"}},
		{"forbidden, socks", "socks5h://[]", closed.URL, forwardproxy.Options{Refuse: 2}, []string{"its rules forbid the connection"}},
		{"refused there, socks", "socks5h://[]", "http://127.0.0.1:1", forwardproxy.Options{}, []string{"refused there"}},
		{"nothing there", "http://127.0.0.1:1", open.URL, forwardproxy.Options{}, []string{"the proxy http://127.0.0.1:1", "refused"}},
		{"socks asked with http", "http://[]", closed.URL, forwardproxy.Options{Silent: true}, []string{"did not answer in time"}},
		{"a proxy with TLS asked without", "http://[]", closed.URL, forwardproxy.Options{TLS: &tls.Config{Certificates: closed.TLS.Certificates}}, []string{"the proxy", "closed the connection", "https"}},
		{"a proxy without TLS asked with it", "https://[]", closed.URL, forwardproxy.Options{}, []string{"the proxy", "closed the connection", "scheme"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := forwardproxy.Start(t, c.options)
			up := reached(t, `timeouts: {connect: 300ms}, kind: openai, url: "`+c.url+`", proxy: "`+strings.Replace(c.proxy, "[]", p.Addr, 1)+`"`, nil, o)
			_, err := ask(t, up, question("m", true))
			wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
			if !errors.Is(err.(*translate.Error).Cause, errProxy) {
				t.Error("not the proxy's failure")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "wrong-word") {
				t.Errorf("it tells the password: %v", err)
			}
		})
	}
}

func TestALeavingClientEndsTheTalkWithASilentProxy(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "socks5"} {
		p := forwardproxy.Start(t, forwardproxy.Options{Silent: true})
		up := reached(t, `timeouts: {connect: 20s}, kind: openai, url: "https://127.0.0.1:1", proxy: "`+scheme+`://`+p.Addr+`"`, nil, Options{})
		ctx, cancel := context.WithCancel(within(t))
		time.AfterFunc(20*time.Millisecond, cancel)
		began := time.Now()
		_, err := up.Open(ctx, question("m", true))
		wantFault(t, err, translate.FaultGone, translate.CodeCanceled)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	}
}

func TestSocketsGoThroughProxies(t *testing.T) {
	t.Parallel()
	_, srv := fake(t, mockmodel.Options{NoRecord: true})
	for _, scheme := range []string{"http", "socks5", "socks5h"} {
		for _, kind := range []string{"chatnio", "iagent"} {
			p := forwardproxy.Start(t, forwardproxy.Options{User: "u", Password: "p"})
			up := reached(t, `kind: `+kind+`, url: "ws://`+srv+`", proxy: "`+scheme+`://u:p@`+p.Addr+`"`, nil, Options{})
			if a, err := ask(t, up, question("echo", true)); err != nil || a.Text() == "" {
				t.Fatal(scheme, kind, a, err)
			}
			want := map[string]string{"http": "CONNECT ", "socks5": "SOCKS ip ", "socks5h": "SOCKS ip "}[scheme] + srv
			if seen := p.Seen(); !slices.Equal(seen, []string{want}) {
				t.Errorf("%s, %s: the proxy saw %q", scheme, kind, seen)
			}
		}
	}
}
