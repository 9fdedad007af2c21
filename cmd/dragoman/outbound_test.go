package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/forwardproxy"
)

func TestNothingSecretOfProxiesHeadersAndQueriesIsShown(t *testing.T) {
	t.Parallel()
	proxy := forwardproxy.Start(t, forwardproxy.Options{User: "bob", Password: "another-one"})
	// A back end that repeats whatever it got.
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"message":"bad request of %s with %s and version %s","type":"invalid_request_error","code":"x"}}`,
			r.Header.Get("X-Tenant"), r.URL.Query().Get("sig"), r.URL.Query().Get("api-version"))
	}))
	defer echo.Close()
	r := runServe(t, "m")
	conf := fmt.Sprintf(reloadConf, "m") + `
  - {id: e, kind: openai, url: "` + echo.URL + `", models: [echoing], headers: {X-Tenant: tenantsecret77}, query: {sig: signature99secret, api-version: "2024-10-21"}}
  - {id: p, kind: openai, url: "` + echo.URL + `", models: [proxied], proxy: "http://bob:hunter22pass@` + proxy.Addr + `"}
  - {id: s, kind: openai, url: "` + echo.URL + `", models: [socks], proxy: "socks5h://` + proxy.Addr + `"}
`
	conf = strings.Replace(conf, "channels: [{id: a, kind: mock, models: [m]}]", "channels:\n  - {id: a, kind: mock, models: [m]}", 1)
	r.write(conf)
	r.hangups <- syscall.SIGHUP
	r.logged("was read again")
	ask := func(model string) string {
		req, _ := http.NewRequest("POST", r.base+"/v1/chat/completions", strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`))
		req.Header.Set("Authorization", "Bearer sk-alice")
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return fmt.Sprint(resp.StatusCode, " ", b.String())
	}
	told := ask("echoing") + ask("proxied") + ask("socks")
	r.logged("refuses the user or the password")
	r.logged("needs a user and a password")
	r.logged("(proxy of the channel)")
	_, channels := r.call("GET", r.operator+"/api/channels", "operator-token")
	var out, wrong bytes.Buffer
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), []string{"check", "-c", file}, environment{in: strings.NewReader(""), out: &out, err: &wrong}); code != 0 {
		t.Fatalf("%d %s", code, wrong.String())
	}
	if code := run(t.Context(), []string{"explain", "-c", file, "--model", "proxied"}, environment{in: strings.NewReader(""), out: &out, err: &wrong}); code != 0 {
		t.Fatalf("%d %s", code, wrong.String())
	}
	shown := "http://bob:***@" + proxy.Addr + " (proxy of the channel)"
	for what, text := range map[string]string{"/api/channels": channels, "check": out.String()} {
		if !strings.Contains(text, shown) {
			t.Errorf("%s does not say %s: %s", what, shown, text)
		}
	}
	if n := strings.Count(out.String(), shown); n != 2 {
		t.Errorf("check and explain say it %d times: %s", n, out.String())
	}
	if !strings.Contains(channels, `"headers":["X-Tenant"]`) || !strings.Contains(channels, `"query":["api-version","sig"]`) {
		t.Errorf("the names are not told: %s", channels)
	}
	for what, text := range map[string]string{"the log": r.log.String(), "a client": told, "/api/channels": channels, "check": out.String()} {
		for _, secret := range []string{"tenantsecret77", "signature99secret", "hunter22pass", "another-one"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s: %s", what, secret, text)
			}
		}
	}
	if strings.Contains(told, "127.0.0.1") {
		t.Errorf("a client sees an address: %s", told)
	}
	if !strings.Contains(told, "2024-10-21") {
		t.Errorf("what is no secret is hidden: %s", told)
	}
}
