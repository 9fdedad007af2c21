package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/proxy/proxytest"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	operatorToken = "an-operator-s-token"
	readToken     = "a-token-that-reads"
)

const twoChannels = `
callers: {anonymous: {}}
store: {url: "memory:"}
channels:
  - {id: a, kind: openai, url: "http://secret-host.test/v1", keys: [sk-hidden-1, sk-hidden-2], models: [m], concurrent: 3}
  - {id: b"\, kind: openai, url: "http://secret-host.test/v1", keys: [sk-hidden-3], models: [{name: m, upstream: big}], tier: 2, probe: {every: 1h, most: 5/d}}
`

// desk is an operator's side with a gateway behind it.
type desk struct {
	testing.TB
	g    *proxy.Gateway
	st   store.Store
	s    *Server
	up   map[string]*proxytest.Upstream
	Host string
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	conf, err := config.Load([]byte(strings.Replace(twoChannels, `b"\`, `'b"\'`, 1)), "f", func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{TB: t, st: st, up: map[string]*proxytest.Upstream{}, Host: "127.0.0.1:8081"}
	log := slog.New(slog.DiscardHandler)
	d.g, err = proxy.New(conf, st, func(c *config.Channel, _ string) (proxy.Upstream, error) {
		if d.up[c.ID] == nil {
			d.up[c.ID] = proxytest.NewUpstream(c.ID, nil, proxytest.Says("hi"))
		}
		return d.up[c.ID], nil
	}, log, proxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.s = New(Options{Gateway: d.g, Token: operatorToken, ReadToken: readToken, Listen: "desk.example.org:8081", Log: log})
	t.Cleanup(func() { _ = d.g.Close(); _ = st.Close() })
	return d
}

// fails makes a channel fail each question from now on.
func (d *desk) fails(channel string, err error) { d.up[channel].Play(proxytest.Refuses(err)) }

// ask puts one question through the gateway.
func (d *desk) ask(id string) error {
	who, _ := d.g.Identify("", "192.0.2.1")
	m, bad := d.g.Resolve(who, "m")
	if bad != nil {
		d.Fatal(bad)
	}
	x, err := d.g.Open(d.Context(), proxy.Question{ID: id, Front: "openai", Caller: who, Model: m, Request: &translate.Request{
		Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hello")}}})
	if err != nil {
		return err
	}
	_, err = x.Whole()
	return errors.Join(err, x.Close())
}

// brief is r, whose client leaves at once where the answer has no end of its own.
func brief(r *http.Request) *http.Request {
	if !strings.HasPrefix(r.URL.Path, "/api/events") {
		return r
	}
	gone, leave := context.WithCancel(r.Context())
	leave()
	return r.WithContext(gone)
}

func (d *desk) call(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := brief(httptest.NewRequest(method, path, strings.NewReader(body)))
	r.Host = d.Host
	r.Header.Set("Authorization", "Bearer "+operatorToken)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.s.Handler().ServeHTTP(w, r)
	return w
}

func (d *desk) wants(w *httptest.ResponseRecorder, status int, code string) {
	d.Helper()
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != status || body.Error.Code != code || body.Error.Message == "" {
		d.Errorf("%d %s, want %d %s", w.Code, w.Body, status, code)
	}
}

func TestOnlyTheTokenOpensTheOperatorsSide(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, r := range routes() {
		d.s.bad = auth.NewBadKeys(nil)
		path := strings.NewReplacer("{id}", "a", "{breaker}", "auto", "{revision}", "1").Replace(r.path)
		for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + operatorToken, "Bearer " + operatorToken + "x", operatorToken} {
			w := d.call(r.method, path, "", "Authorization", auth)
			if r.needs == mayNothing {
				if w.Code == http.StatusUnauthorized {
					t.Errorf("%s wants a token", path)
				}
				continue
			}
			d.wants(w, http.StatusUnauthorized, "UNAUTHORIZED")
		}
		if w := d.call(r.method, path, ""); w.Code == http.StatusUnauthorized {
			t.Errorf("%s does not take the token", path)
		}
	}
}

func TestTheReadTokenChangesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	before := d.state()
	for _, r := range routes() {
		path := strings.NewReplacer("{id}", "a", "{breaker}", "open", "{revision}", "1").Replace(r.path)
		w := d.call(r.method, path, "{}", "Authorization", "Bearer "+readToken)
		if r.needs == mayAll {
			d.wants(w, http.StatusForbidden, "PERMISSION_DENIED")
		} else if w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized {
			t.Errorf("%s %s: %d %s", r.method, path, w.Code, w.Body)
		}
		if r.method != http.MethodGet && r.needs != mayAll && path != "/api/explain" && path != "/api/limits/what-if" {
			t.Errorf("%s %s may be called with the read token", r.method, path)
		}
	}
	d.wants(d.call("POST", "/api/explain", `{"key":"sk-guess"}`, "Authorization", "Bearer "+readToken), http.StatusForbidden, "PERMISSION_DENIED")
	if d.state() != before {
		t.Errorf("it has changed something:\n%s\n%s", before, d.state())
	}
	d.s.mayRead = false
	d.wants(d.call("GET", "/api/channels", "", "Authorization", "Bearer "+readToken), http.StatusUnauthorized, "UNAUTHORIZED")
	d.wants(d.call("GET", "/api/channels", "", "Authorization", "Bearer "), http.StatusUnauthorized, "UNAUTHORIZED")
}

func TestGuessesAtTheOperatorsTokenAreSlowedAndTheTokenIsTaken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	codes := map[int]int{}
	for i := range 200 {
		w := d.call("GET", "/api/channels", "", "Authorization", fmt.Sprint("Bearer guess", i))
		codes[w.Code]++
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Fatal("it does not say when to come back")
		}
	}
	// Half of one is forgiven each second.
	if codes[401]+codes[429] != 200 || codes[401] < 30 || codes[401] > 60 {
		t.Errorf("got %v", codes)
	}
	d.wants(d.call("GET", "/api/channels", "", "Authorization", ""), http.StatusUnauthorized, "UNAUTHORIZED")
	if w := d.call("GET", "/api/channels", ""); w.Code != 200 {
		t.Errorf("the token was refused: %d %s", w.Code, w.Body)
	}
}

func TestPeersAreCountedByAddressAndIPv6OnesByTheirNetwork(t *testing.T) {
	t.Parallel()
	for peer, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "[::ffff:192.0.2.1]:81": "192.0.2.1", "[2001:db8::1]:1": "2001:db8::/64", "[2001:db8::ffff:2%eth0]:1": "2001:db8::/64",
		"@": "unknown",
	} {
		if got := from(peer); got != want {
			t.Errorf("%s: %s, want %s", peer, got, want)
		}
	}
}

func TestAPageOfAnotherNameOrOriginIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for host, good := range map[string]bool{
		"127.0.0.1:8081": true, "[::1]:8081": true, "[::1]": true, "localhost:8081": true, "dragoman": true, "DESK.example.org:8081": true, "a.localhost": true,
		"evil.example.org": false, "127.0.0.1.evil.example.org:8081": false, "": false, "localhost.evil.test": false,
	} {
		d.Host = host
		w := d.call("GET", "/api/health", "")
		if (w.Code == 200) != good {
			t.Errorf("Host %q: %d", host, w.Code)
		}
	}
	d.Host = "127.0.0.1:8081"
	d.wants(d.call("POST", "/api/channels/a/open", "", "Origin", "http://evil.example.org"), 403, "PERMISSION_DENIED")
	d.wants(d.call("POST", "/api/channels/a/open", "", "Sec-Fetch-Site", "cross-site"), 403, "PERMISSION_DENIED")
	if w := d.call("OPTIONS", "/api/channels", "", "Origin", "http://evil.example.org"); w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("it lets other origins in")
	}
}

func TestUnknownPathsAndMethodsHaveTheOneFormOfErrors(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, at := range []string{"/nothing", "//api/keys", "/api/./keys", "//"} {
		d.wants(d.call("GET", at, ""), 404, "NOT_FOUND")
	}
	w := d.call("POST", "/api/channels", "")
	d.wants(w, 405, "METHOD_NOT_ALLOWED")
	if w.Header().Get("Allow") != "GET" {
		t.Errorf("Allow: %q", w.Header().Get("Allow"))
	}
	d.wants(d.call("POST", "/api/channels/nobody/open", ""), 404, "NOT_FOUND")
	d.wants(d.call("POST", "/api/channels/a/ajar", ""), 404, "NOT_FOUND")
}

func TestHealthTellsWhenTheGatewayStops(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if w := d.call("GET", "/api/health", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"status":"ok"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if err := d.g.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := d.call("GET", "/api/health", ""); w.Code != 503 || !strings.Contains(w.Body.String(), `"status":"stopping"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func (d *desk) channels() []proxy.ChannelState {
	d.Helper()
	var got struct{ Channels []proxy.ChannelState }
	if err := json.Unmarshal(d.call("GET", "/api/channels", "").Body.Bytes(), &got); err != nil {
		d.Fatal(err)
	}
	return got.Channels
}

func TestChannelsAreShownWithReasonsAndWithoutAddressesOrKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fails("a", translate.Broken("down", nil))
	for range 10 {
		if err := d.ask("q"); err != nil {
			t.Fatal(err)
		}
	}
	all := d.channels()
	if len(all) != 2 || len(all[0].Keys) != 2 || all[0].Concurrent != 3 || all[1].Keys[0].Models[0].Upstream != "big" {
		t.Fatalf("%+v", all)
	}
	for _, k := range all[0].Keys {
		m := k.Models[0]
		if m.State != "open" || !strings.HasPrefix(m.Why, "breaker open for ") || m.Seconds <= 0 || m.Seconds > 3 {
			t.Errorf("key %d: %+v", k.Key, m)
		}
	}
	if m := all[1].Keys[0].Models[0]; m.State != "ready" || m.Why != "" || m.WholeMs <= 0 || m.Requests == 0 {
		t.Errorf("%+v", m)
	}
	if p := all[1].Probe; all[0].Probe != nil || p == nil || p.Every != 3600 || p.Left != 5 {
		t.Errorf("probes: %+v, %+v", all[0].Probe, p)
	}
	if text := d.call("GET", "/metrics", "").Body.String(); !strings.Contains(text, `dragoman_probes_total{channel="b\"\\",outcome="good"} 0`) {
		t.Errorf("no counter of probes:\n%s", text)
	}
	for _, path := range []string{"/api/channels", "/metrics"} {
		if text := d.call("GET", path, "").Body.String(); strings.Contains(text, "hidden") || strings.Contains(text, "secret-host") || strings.Contains(text, "192.0.2.1") {
			t.Errorf("%s tells too much:\n%s", path, text)
		}
	}
}

func TestAnOperatorOpensAndClosesBreakers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.call("POST", "/api/channels/a/open", "")
	if got := d.channels()[0]; got.Forced != "open" || got.Keys[1].Models[0].State != "open" {
		t.Errorf("%+v", got)
	}
	d.fails(`b"\`, translate.Broken("down", nil))
	var e *translate.Error
	if err := d.ask("q"); !errors.As(err, &e) || e.Code != translate.CodeModel {
		t.Errorf("with a taken out and b down: %v", err)
	}
	d.call("POST", "/api/channels/a/auto", "")
	if err := d.ask("q"); err != nil {
		t.Error(err)
	}
	d.fails("a", translate.Broken("down", nil))
	d.up[`b"\`].Play(proxytest.Says("hi"))
	for range 12 {
		_ = d.ask("q")
	}
	d.up["a"].Play(proxytest.Says("hi"))
	d.call("POST", "/api/channels/a/close", "")
	d.fails(`b"\`, translate.Broken("b must not be asked", nil))
	if err := d.ask("q"); err != nil {
		t.Errorf("a is held closed: %v", err)
	}
}

func TestMetricsAreInTheTextFormat(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fails("a", translate.Broken("down", nil))
	for range 3 {
		_ = d.ask("q")
	}
	text := d.call("GET", "/metrics", "").Body.String()
	for _, want := range []string{
		"# TYPE dragoman_exchanges_total counter\n",
		`dragoman_exchanges_total{front="openai",channel="b\"\\",outcome="ok"} 3` + "\n",
		`dragoman_attempts_total{channel="a",outcome="broken"} `,
		`dragoman_exchange_duration_seconds_bucket{channel="b\"\\",le="+Inf"} 3` + "\n",
		`dragoman_exchange_duration_seconds_count{channel="b\"\\"} 3` + "\n",
		`dragoman_channel_in_flight{channel="a"} 0` + "\n",
		`dragoman_breaker_state{channel="b\"\\",key="0",model="m",state="ready"} 1` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestALongBodyIsRefused(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"a":"`+strings.Repeat("x", maxBody)+`"}`))
	r.Body = http.MaxBytesReader(httptest.NewRecorder(), r.Body, maxBody)
	var v struct{ A string }
	var e *translate.Error
	if err := read(r, &v); !errors.As(err, &e) || e.Code != translate.CodeTooLarge {
		t.Errorf("%v", err)
	}
	r = httptest.NewRequest("POST", "/", strings.NewReader(`{"b":1}`))
	if err := read(r, &v); !errors.As(err, &e) || e.Code != translate.CodeValidation {
		t.Errorf("%v", err)
	}
}

func TestServeEndsAtShutdown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.s.Serve(ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	r, err := client.Get("http://" + ln.Addr().String() + "/api/health")
	if err != nil || r.StatusCode != 200 {
		t.Fatal(r, err)
	}
	_ = r.Body.Close()
	d.s.Shutdown(t.Context())
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestATokenIsMadeOnceAndReadableByItsOwnerOnly(t *testing.T) {
	t.Parallel()
	if TokenFile("") != "" {
		t.Error("memory has no file")
	}
	path := TokenFile(filepath.Join(t.TempDir(), "d.db"))
	token, made, err := EnsureToken(path)
	if err != nil || !made || len(token) < leastToken {
		t.Fatal(token, made, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if again, made, err := EnsureToken(path); again != token || made || err != nil {
		t.Error(again, made, err)
	}
	if other, made, err := EnsureToken(""); other == token || !made || err != nil {
		t.Error(other, made, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := EnsureToken(path); err == nil {
		t.Error("an empty token opens everything")
	}
}

func (d *desk) explained(w *httptest.ResponseRecorder) (e proxy.Explanation) {
	d.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != 200 {
		d.Fatalf("%d %s", w.Code, w.Body)
	}
	return e
}

func TestAnExchangeIsExplainedByItsRequestID(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fails("a", translate.Broken("down", nil))
	if err := d.ask("first"); err != nil {
		t.Fatal(err)
	}
	e := d.explained(d.call("GET", "/api/explain/first", ""))
	if e.ID != "first" || e.Outcome != "ok" || e.Front != "openai" || e.Model != "m" || len(e.Candidates) != 3 || e.Ledger == nil || e.At == "" {
		t.Errorf("%+v", e)
	}
	last := e.Attempts[len(e.Attempts)-1]
	if n := len(e.Attempts); n < 3 || e.Attempts[0].Channel != "a" || e.Attempts[0].Result != "broken" || e.Attempts[0].Among != 2 || e.Attempts[0].By != "p2c" ||
		last.Channel != `b"\` || last.Result != "ok" || last.By != "alone" {
		t.Errorf("%+v", e.Attempts)
	}
	d.wants(d.call("GET", "/api/explain/never", ""), 404, "NOT_FOUND")

	// A second exchange with the same id hides nothing.
	if e.Same != nil {
		t.Errorf("alone: %+v", e.Same)
	}
	if err := d.ask("first"); err != nil {
		t.Fatal(err)
	}
	if again := d.explained(d.call("GET", "/api/explain/first", "")); again.At != e.At || len(again.Same) != 2 || again.Same[0].At != e.At {
		t.Errorf("%+v", again)
	}
	for _, query := range []string{"?n=2", "?n=2&caller=anonymous@192.0.2.1"} {
		if other := d.explained(d.call("GET", "/api/explain/first"+query, "")); other.At == e.At || len(other.Same) != 2 {
			t.Errorf("%s: %+v", query, other)
		}
	}
	d.wants(d.call("GET", "/api/explain/first?n=3", ""), 404, "NOT_FOUND")
	d.wants(d.call("GET", "/api/explain/first?caller=bob", ""), 404, "NOT_FOUND")
	d.wants(d.call("GET", "/api/explain/first?n=x", ""), 400, "VALIDATION_ERROR")
}

func TestAHypotheticalQuestionMovesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.call("POST", `/api/channels/b%22%5C/open`, "")
	before := d.call("GET", "/api/channels", "").Body.String()
	for range 3 {
		e := d.explained(d.call("POST", "/api/explain", `{"model":"m","front":"rest"}`))
		if e.Verdict != "p2c would choose among a, a" || len(e.Candidates) != 3 || e.Candidates[0].Share != 0.5 || e.Candidates[2].State != "open" || e.Front != "rest" {
			t.Errorf("%+v", e)
		}
	}
	if after := d.call("GET", "/api/channels", "").Body.String(); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
	d.call("POST", "/api/channels/a/open", "")
	if e := d.explained(d.call("POST", "/api/explain", `{"model":"m"}`)); !strings.HasPrefix(e.Verdict, "CHANNEL_UNAVAILABLE: ") || !strings.Contains(e.Verdict, "a: taken out of use") {
		t.Errorf("%+v", e)
	}
	d.wants(d.call("POST", "/api/explain", `{"model":"none"}`), 404, "MODEL_NOT_FOUND")
	d.wants(d.call("POST", "/api/explain", `{"model":"m","caller":"nobody"}`), 404, "NOT_FOUND")
	d.wants(d.call("POST", "/api/explain", `{"model":"m","key":"wrong"}`), 401, "INVALID_TOKEN")
	d.wants(d.call("POST", "/api/explain", `{"modell":"m"}`), 400, "VALIDATION_ERROR")
}
