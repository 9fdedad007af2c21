package front_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestATokenOfAPublishedKeySignsInOnEveryHTTPFrontAndABadOneIsRefusedThere(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: private.Public(), KeyID: "1", Use: "sig", Algorithm: "ES256"}}})
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	defer keys.Close()
	w := world.Start(t, "callers: {jwt: {jwks: \""+keys.URL+"\"}}\nchannels:\n"+channel("up", "openai", "", "echo"))
	sign := func(life time.Duration) string {
		token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"username": "bob", "exp": time.Now().Add(life).Unix()})
		token.Header["kid"] = "1"
		s, err := token.SignedString(private)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := sign(time.Hour)
	w.Eventually(t, "the keys are there", func() bool {
		status, _, _ := w.Do(t, "GET", "/v1/models", "", "Authorization", "Bearer "+good)
		return status == 200
	})
	bad := good[:len(good)-8] + strings.Repeat("A", 8)
	for _, p := range posts {
		for token, want := range map[string]int{good: 200, bad: 401, sign(-time.Hour): 401} {
			status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+token, "anthropic-version", "2023-06-01")
			if status != want {
				t.Errorf("%s: %d %s, want %d", p.name, status, body, want)
			}
			if strings.Contains(string(body), keys.URL) {
				t.Errorf("%s names the endpoint: %s", p.name, body)
			}
		}
	}
	if text := w.Log.String(); strings.Contains(text, good) || strings.Contains(text, bad) {
		t.Error("a token is in the log")
	}
}
