package upstream

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// azure is a server like Azure's: a deployment in the path, api-version in the query, the
// key in api-key, and nothing of the key elsewhere.
func azure(t testing.TB) *httptest.Server {
	return plain(t, func(w http.ResponseWriter, r *http.Request) {
		refuse := func(status int, text string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":{"code":"` + http.StatusText(status) + `","message":"` + text + `"}}`))
		}
		switch {
		case r.URL.Path != "/openai/deployments/d1/chat/completions":
			refuse(404, "Resource not found")
		case r.URL.RawQuery != "api-version=2024-10-21":
			refuse(404, "Resource not found: "+r.URL.RawQuery)
		case r.Header.Get("Authorization") != "":
			refuse(401, "Access denied due to invalid subscription key or wrong API endpoint.")
		case r.Header.Get("Api-Key") != "sk-test-key-0001":
			refuse(401, "Access denied due to invalid subscription key or wrong API endpoint.")
		default:
			streaming(w, r)
		}
	})
}

func TestAServerLikeAzuresAnswers(t *testing.T) {
	t.Parallel()
	srv := azure(t)
	up := reached(t, `kind: openai, url: "`+srv.URL+`/openai/deployments/d1", auth: api-key, query: {api-version: "2024-10-21"}`, nil, Options{})
	if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
		t.Fatal(a, err)
	}
	up = reached(t, `kind: openai, url: "`+srv.URL+`/openai/deployments/d1", query: {api-version: "2024-10-21"}`, nil, Options{})
	_, err := ask(t, up, question("m", true))
	wantFault(t, err, translate.FaultDenied, translate.CodeUnavailable)
}

func TestAServerLikeOpenRoutersGetsItsTitles(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	srv := plain(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		streaming(w, r)
	})
	up := reached(t, `kind: openai, url: "`+srv.URL+`/api/v1", headers: {HTTP-Referer: "https://chat.example.com", X-Title: "My app", user-agent: "mine/1", X-Org: "${ORG}"}`, map[string]string{"ORG": "o-17"}, Options{})
	if a, err := ask(t, up, question("m", true)); err != nil || a.Text() != "Hi you" {
		t.Fatal(a, err)
	}
	h := <-got
	for name, want := range map[string]string{
		"Http-Referer": "https://chat.example.com", "X-Title": "My app", "User-Agent": "mine/1", "X-Org": "o-17",
		"Authorization": "Bearer sk-test-key-0001", "Accept-Encoding": "identity", "Content-Type": "application/json",
	} {
		if v := strings.Join(h.Values(name), "|"); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
}

func TestAKeyIsShownAsAuthSays(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	srv := plain(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		w.WriteHeader(http.StatusTeapot)
	})
	for _, kind := range []string{"openai", "anthropic", "rest"} {
		for _, auth := range []string{"", "bearer", "x-api-key", "api-key", "none"} {
			setting, want := "", auth
			if auth != "" {
				setting = ", auth: " + auth
			} else if want = "bearer"; kind == "anthropic" {
				want = "x-api-key"
			}
			up := reached(t, `kind: `+kind+`, url: "`+srv.URL+`"`+setting, nil, Options{})
			if _, err := ask(t, up, question("m", true)); err == nil {
				t.Fatal("no error")
			}
			h := <-got
			shown := map[string]string{"bearer": h.Get("Authorization"), "x-api-key": h.Get("X-Api-Key"), "api-key": h.Get("Api-Key")}
			for way, value := range shown {
				if wanted := strings.HasSuffix(value, "sk-test-key-0001"); wanted != (way == want) || value != "" && !wanted {
					t.Errorf("%s, auth %q: %s is %q", kind, auth, way, value)
				}
			}
			if version := h.Get("Anthropic-Version"); (version != "") != (kind == "anthropic") {
				t.Errorf("%s: anthropic-version is %q", kind, version)
			}
		}
	}
}

func TestAVersionThatIsConfiguredGoesInThePlaceOfTheStandardOne(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	srv := plain(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		w.WriteHeader(http.StatusTeapot)
	})
	up := reached(t, `kind: anthropic, url: "`+srv.URL+`", headers: {Anthropic-Version: "2099-01-01", anthropic-beta: one}`, nil, Options{})
	req := question("m", true)
	req.PassThrough, req.Beta = true, "two"
	req.Dialect, req.Raw = "anthropic", []byte(`{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	_, err := ask(t, up, req)
	if len(got) == 0 {
		t.Fatal(err)
	}
	h := <-got
	if v := h.Values("Anthropic-Version"); len(v) != 1 || v[0] != "2099-01-01" {
		t.Error(v)
	}
	if v := h.Values("Anthropic-Beta"); len(v) != 2 {
		t.Errorf("both betas are to be sent: %q", v)
	}
}

func TestHandshakesOfSocketsHaveTheHeadersAndTheQuery(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"chatnio", "iagent"} {
		got := make(chan *http.Request, 1)
		srv := plain(t, func(w http.ResponseWriter, r *http.Request) {
			got <- r
			w.WriteHeader(http.StatusTeapot)
		})
		up := reached(t, `kind: `+kind+`, url: "ws`+strings.TrimPrefix(srv.URL, "http")+`", headers: {X-Tenant: t1, User-Agent: mine}, query: {region: "eu west"}`, nil, Options{})
		if _, err := ask(t, up, question("m", true)); err == nil {
			t.Fatal("no error")
		}
		r := <-got
		if r.Header.Get("X-Tenant") != "t1" || r.Header.Get("User-Agent") != "mine" || r.URL.Query().Get("region") != "eu west" {
			t.Errorf("%s: %s %v", kind, r.URL, r.Header)
		}
		if token := r.URL.Query().Get("app_token"); (token != "") != (kind == "iagent") {
			t.Errorf("%s: app_token %q", kind, token)
		}
	}
}
