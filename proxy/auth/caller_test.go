package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

const signingKey = "a signing key for tests"

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCredentialsAreTakenOrRefused(t *testing.T) {
	t.Parallel()
	soon, past := time.Now().Add(time.Hour).Unix(), time.Now().Add(-time.Hour).Unix()
	sum := sha256.Sum256([]byte("hashed-key"))
	c := New(&config.Callers{
		Keys: []config.Key{
			{Name: "plain", Key: "plain-key", Access: config.Access{Group: "gold", Models: []string{"m"}}},
			{Name: "hashed", KeySHA256: hex.EncodeToString(sum[:])},
			{Name: "old", Key: "old-key", Expires: time.Now().Add(-time.Second)},
			{Name: "young", Key: "young-key", Expires: time.Now().Add(time.Hour)},
		},
		JWT: &config.JWT{Secret: signingKey, Access: config.Access{Group: "web"}},
	}, nil)
	hs := []byte(signingKey)
	for name, x := range map[string]struct{ token, caller, group, code string }{
		"a key":              {"plain-key", "plain", "gold", ""},
		"a hashed key":       {"hashed-key", "hashed", "", ""},
		"the hash itself":    {hex.EncodeToString(sum[:]), "", "", "INVALID_TOKEN"},
		"an expired key":     {"old-key", "", "", "TOKEN_EXPIRED"},
		"a key in its time":  {"young-key", "young", "", ""},
		"an unknown key":     {"other", "", "", "INVALID_TOKEN"},
		"no key":             {"", "", "", "UNAUTHORIZED"},
		"a token":            {sign(t, jwt.SigningMethodHS256, hs, jwt.MapClaims{"username": "bob", "exp": soon, "password": "x"}), "bob", "web", ""},
		"an expired token":   {sign(t, jwt.SigningMethodHS256, hs, jwt.MapClaims{"username": "bob", "exp": past}), "", "", "TOKEN_EXPIRED"},
		"a token for ever":   {sign(t, jwt.SigningMethodHS256, hs, jwt.MapClaims{"username": "bob"}), "", "", "INVALID_TOKEN"},
		"another algorithm":  {sign(t, jwt.SigningMethodHS512, hs, jwt.MapClaims{"username": "bob", "exp": soon}), "", "", "INVALID_TOKEN"},
		"no algorithm":       {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"username": "bob", "exp": soon}), "", "", "INVALID_TOKEN"},
		"another secret":     {sign(t, jwt.SigningMethodHS256, []byte("another"), jwt.MapClaims{"username": "bob", "exp": past}), "", "", "INVALID_TOKEN"},
		"no name":            {sign(t, jwt.SigningMethodHS256, hs, jwt.MapClaims{"exp": soon}), "", "", "INVALID_TOKEN"},
		"a number as a name": {sign(t, jwt.SigningMethodHS256, hs, jwt.MapClaims{"username": 7, "exp": soon}), "", "", "INVALID_TOKEN"},
		"a reserved name":    {sign(t, jwt.SigningMethodHS256, hs, jwt.MapClaims{"username": "anonymous@1.2.3.4", "exp": soon}), "", "", "INVALID_TOKEN"},
		"not a token":        {"a.b.c", "", "", "INVALID_TOKEN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.Identify(nil, x.token, "1.2.3.4")
			if x.code != "" {
				if err == nil || string(err.Code) != x.code {
					t.Errorf("got %v, %v; want %s", got, err, x.code)
				}
				return
			}
			if err != nil || got.Name != x.caller || got.Group != x.group || got.Anonymous {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestAnonymousCallersAreToldApartByTheirAddress(t *testing.T) {
	t.Parallel()
	c := New(&config.Callers{Anonymous: &config.Anonymous{Access: config.Access{Models: []string{"m"}}}}, nil)
	one, err := c.Identify(nil, "", "1.2.3.4")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := c.Identify(nil, "", "1.2.3.5")
	if !one.Anonymous || one.Name == two.Name || one.May("x") || !one.May("m") {
		t.Errorf("%+v, %+v", one, two)
	}
	if _, err := c.Identify(nil, "wrong", "1.2.3.4"); err == nil || err.Code != translate.CodeInvalidToken {
		t.Errorf("a wrong key: %v", err)
	}
}
