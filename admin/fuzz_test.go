package admin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
)

// raw sends an operator's request as it would come over the wire; ok is false for one
// that net/http refuses to read.
func (d *desk) raw(method, target, body string) (w *httptest.ResponseRecorder, ok bool) {
	text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", method, target, d.Host, operatorToken, len(body), body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return nil, false
	}
	w = httptest.NewRecorder()
	d.s.Handler().ServeHTTP(w, brief(r.WithContext(d.Context())))
	return w, true
}

// state is all that an operator can change, as the API shows it.
func (d *desk) state() string {
	return d.call("GET", "/api/keys", "").Body.String() + d.call("GET", "/api/channels", "").Body.String()
}

// checkForm looks at an answer: JSON in any case, the one form where it is a refusal,
// and no bug.
func (d *desk) checkForm(w *httptest.ResponseRecorder, method, target string) {
	d.Helper()
	text, kind := w.Body.String(), w.Header().Get("Content-Type")
	if w.Code >= 500 {
		d.Errorf("%s %q: %d %s", method, target, w.Code, text)
	}
	if w.Code == http.StatusOK && strings.HasPrefix(kind, "text/plain; version=") {
		return // the metrics
	}
	if w.Code == http.StatusOK && kind == "text/event-stream" {
		return
	}
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil || kind != "application/json" {
		d.Errorf("%s %q: %d of %s, no JSON: %q", method, target, w.Code, kind, text)
	}
	if refused := w.Code >= 300; refused != (body.Error.Code != "" && body.Error.Message != "") {
		d.Errorf("%s %q: %d and %s", method, target, w.Code, text)
	}
}

// tidy takes back what a request has changed.
func (d *desk) tidy() {
	d.Helper()
	var list struct{ Keys []struct{ ID string } }
	if err := json.Unmarshal(d.call("GET", "/api/keys", "").Body.Bytes(), &list); err != nil {
		d.Fatalf("the keys cannot be listed any more: %v", err)
	}
	for _, k := range list.Keys {
		if w := d.call("DELETE", "/api/keys/"+k.ID, ""); w.Code != http.StatusOK {
			d.Fatalf("%s cannot be revoked: %d %s", k.ID, w.Code, w.Body)
		}
	}
	for _, c := range d.channels() {
		if err := d.g.Force(c.ID, channel.ForceNothing); err != nil {
			d.Fatal(err)
		}
	}
}

// aging are the numbers that change by themselves: those of a window of time.
var aging = regexp.MustCompile(`"(requests|failures|streak|seconds)":\d+`)

// ageless is the state without what changes by itself.
func (d *desk) ageless() string { return aging.ReplaceAllString(d.state(), `"$1":0`) }

func FuzzAnOperatorsRequestIsAnsweredInTheOneForm(f *testing.F) {
	d := newDesk(f)
	if err := d.ask("known"); err != nil {
		f.Fatal(err)
	}
	for _, r := range routes() {
		f.Add(r.method, strings.NewReplacer("{id}", "a", "{breaker}", "open").Replace(r.path), "")
	}
	for _, seed := range [][3]string{
		{"GET", "/api/explain/known", ""}, {"HEAD", "/api/keys", ""}, {"OPTIONS", "*", ""}, {"GET", "//api/keys", ""}, {"GET", "/api/../api/keys", ""},
		{"GET", "/api/%2e%2e/keys", ""}, {"GET", "/api/keys/", ""}, {"CONNECT", "a:1", ""}, {"POST", "http://127.0.0.1/", ""}, {"POST", "/api/channels/%ff/open", ""},
		{"GET", "/api/ledger?request=known&caller=%00&limits=x&attempts=false", ""}, {"GET", "/api/ledger?from=9999-12-31T23:59:59-23:59&to=0000-01-01T00:00:00Z&limit=1000&offset=1073741824", ""},
		{"POST", "/api/keys", `{"name":"alice","group":"gold","models":["m"],"limits":"","expires":"2999-01-01T00:00:00Z"}`},
		{"POST", "/api/keys", `{"name":"a","expires":"9999-12-31T23:59:59-23:59"}`}, {"POST", "/api/keys", `{"name":"a"}}`},
		{"POST", "/api/keys", `{"name":"a","url":"http://169.254.169.254/"}`}, {"POST", "/api/keys", strings.Repeat("[", 10_001)}, {"POST", "/api/keys", `null`},
		{"POST", "/api/explain", `{"model":"m","caller":"anonymous","front":"rest"}`}, {"POST", "/api/explain", `{"key":"sk-wrong"}`}, {"DELETE", "/api/keys/key_x", "{"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		d.TB = t
		before := d.ageless()
		w, ok := d.raw(method, target, body)
		if !ok {
			return
		}
		if method != http.MethodHead {
			d.checkForm(w, method, target)
		}
		if w.Code >= 300 && d.ageless() != before {
			t.Errorf("%s %q was refused with %d and changed something:\n%s\n%s", method, target, w.Code, before, d.ageless())
		}
		d.tidy()
	})
}

// Nothing that an operator can send names a channel's address: those come from the
// configuration file alone. So nobody who has only the token makes the gateway ask
// another host, such as one that serves credentials inside a cloud.
func TestNoAddressOfAChannelComesInThroughTheOperatorsSide(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	before, made := d.state(), len(d.up)
	for _, r := range routes() {
		at := strings.NewReplacer("{id}", "a", "{breaker}", "auto").Replace(r.path)
		for _, name := range []string{"url", "URL", "address", "endpoint", "base_url", "upstream", "transport", "channels", "jwks", "listen"} {
			body := fmt.Sprintf(`{%q:"http://169.254.169.254/latest/meta-data/"}`, name)
			w := d.call(r.method, at+"?"+name+"=http://169.254.169.254/", body)
			if strings.Contains(w.Body.String(), "169.254") {
				t.Errorf("%s %s repeats it: %s", r.method, at, w.Body)
			}
			if r.method == http.MethodPost && (at == "/api/keys" || at == "/api/explain") {
				d.wants(w, http.StatusBadRequest, "VALIDATION_ERROR")
			}
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		for _, at := range []string{"/api/channels", "/api/channels/new", "/api/channels/a", "/api/config", "/api/channels/a/url"} {
			w := d.call(method, at, `{"id":"new","kind":"openai","url":"http://169.254.169.254/v1"}`)
			if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d %s", method, at, w.Code, w.Body)
			}
		}
	}
	if d.state() != before || len(d.up) != made {
		t.Errorf("before %s\nafter %s, %d upstreams of %d", before, d.state(), len(d.up), made)
	}
}
