package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// publisher publishes a public key, and token is signed with the private one.
func publisher(t *testing.T) (endpoint *httptest.Server, token string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "e"}}})
	if err != nil {
		t.Fatal(err)
	}
	endpoint = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	t.Cleanup(endpoint.Close)
	unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"username": "bob", "exp": time.Now().Add(time.Hour).Unix()})
	unsigned.Header["kid"] = "e"
	if token, err = unsigned.SignedString(key); err != nil {
		t.Fatal(err)
	}
	return endpoint, token
}

func TestTheKeysOfTokensOutliveANewConfigurationAndChangeWithTheirAddress(t *testing.T) {
	t.Parallel()
	one, first := publisher(t)
	two, second := publisher(t)
	with := func(url string) *config.Config {
		c := conf(backend("a"))
		if url != "" {
			c.Callers.JWT = &config.JWT{JWKS: url}
		}
		return c
	}
	w := newWorld(t, with(one.URL), nil)
	// identify waits for the first fetch of a key set, however long it takes.
	identify := func(token string) error {
		for t.Context().Err() == nil {
			switch _, err := w.g.Identify(token, ""); {
			case err == nil:
				return nil
			case err.Code != translate.CodeInternal:
				return err
			}
		}
		return t.Context().Err()
	}
	if err := identify(first); err != nil {
		t.Fatal(err)
	}
	one.Close()
	w.apply(with(one.URL))
	if _, err := w.g.Identify(first, ""); err != nil {
		t.Errorf("under the same address: %v", err)
	}
	w.apply(with(two.URL))
	if err := identify(second); err != nil {
		t.Errorf("the new keys: %v", err)
	}
	if err := identify(first); err == nil {
		t.Error("the old keys are good under the new address")
	}
	w.apply(with(""))
	if _, err := w.g.Identify(second, ""); err == nil {
		t.Error("a token is taken without any keys")
	}
}
