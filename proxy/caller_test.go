package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
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
	c := newCallers(&config.Callers{
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
			got, err := c.identify(nil, x.token, "1.2.3.4")
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
	c := newCallers(&config.Callers{Anonymous: &config.Anonymous{Access: config.Access{Models: []string{"m"}}}}, nil)
	one, err := c.identify(nil, "", "1.2.3.4")
	if err != nil {
		t.Fatal(err)
	}
	two, _ := c.identify(nil, "", "1.2.3.5")
	if !one.Anonymous || one.Name == two.Name || one.May("x") || !one.May("m") {
		t.Errorf("%+v, %+v", one, two)
	}
	if _, err := c.identify(nil, "wrong", "1.2.3.4"); err == nil || err.Code != translate.CodeInvalidToken {
		t.Errorf("a wrong key: %v", err)
	}
}

// catalogue has the models m and n, and the presets default (m) and x (n).
func catalogue(t *testing.T, withDefault bool) *world {
	two := func(c *config.Channel) { c.Models = append(c.Models, config.Model{Name: "n", Upstream: "n"}) }
	c := conf(channel("a", two))
	c.Presets = map[string]config.Preset{"x": {Model: "n"}, "lost": {Model: "nobody"}}
	if withDefault {
		c.Presets["default"] = config.Preset{Model: "m", System: "s"}
	}
	return newWorld(t, c, nil)
}

func only(models ...string) *Caller {
	return new(callers).caller("c", &config.Access{Models: models}, time.Time{})
}

func TestModelListsNameWhatTheCallerMayUse(t *testing.T) {
	t.Parallel()
	w := catalogue(t, true)
	for _, c := range []struct {
		caller *Caller
		want   []string
	}{
		{alice, []string{"m", "n", "default", "x"}},
		{only("n"), []string{"n", "x"}},
		{only("x"), []string{"x"}},
		{only("nothing"), nil},
	} {
		got := w.g.Models(c.caller)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.caller.models, got, c.want)
		}
		for _, name := range got {
			if _, err := w.g.Resolve(c.caller, name); err != nil {
				t.Errorf("%s is listed but %v", name, err)
			}
		}
	}
}

func TestANameIsResolvedToAModel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		def    bool
		caller *Caller
		name   string
		model  string
		preset bool
		code   translate.Code
	}{
		{true, alice, "m", "m", false, ""},
		{true, alice, "x", "n", true, ""},
		{true, alice, "", "m", true, ""},
		{false, alice, "", "m", false, ""},
		{false, only("n"), "", "n", false, ""},
		{true, only("n"), "", "", false, translate.CodePermission},
		{true, only("n"), "m", "", false, translate.CodePermission},
		{true, only("x"), "x", "n", true, ""},
		{true, only("x"), "n", "", false, translate.CodePermission},
		{true, alice, "nope", "", false, translate.CodeModelNotFound},
		{true, alice, "lost", "", false, translate.CodeModelNotFound},
	} {
		w := catalogue(t, c.def)
		m, err := w.g.Resolve(c.caller, c.name)
		switch {
		case c.code != "":
			if err == nil || err.Code != c.code {
				t.Errorf("%q: %v, want %s", c.name, err, c.code)
			}
		case err != nil:
			t.Errorf("%q: %v", c.name, err)
		case m.Name != c.model || (m.preset != nil) != c.preset:
			t.Errorf("%q is %+v", c.name, m)
		}
	}
}
