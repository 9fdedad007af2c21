package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/keyset"
	"github.com/dragoman-gateway/dragoman/translate"
)

// issuer signs tokens and publishes its public keys.
type issuer struct {
	*httptest.Server
	set atomic.Pointer[[]byte]
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := new(issuer)
	var err, also error
	i.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	i.ec, also = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil || also != nil {
		t.Fatal(err, also)
	}
	i.publish(t, map[string]crypto.PublicKey{"r": i.rsa.Public(), "e": i.ec.Public()})
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*i.set.Load()) }))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(t *testing.T, keys map[string]crypto.PublicKey) {
	t.Helper()
	var set jose.JSONWebKeySet
	for id, k := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k, KeyID: id})
	}
	b, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	i.set.Store(&b)
}

// take makes callers that take the tokens of conf and waits for keys however long
// they need.
func take(t *testing.T, conf *config.JWT) *Callers {
	t.Helper()
	c := New(&config.Callers{JWT: conf}, nil)
	c.Open(nil, slog.New(slog.DiscardHandler), keyset.Options{Apart: time.Nanosecond, Wait: time.Minute, Most: time.Minute})
	t.Cleanup(func() { c.Close(nil) })
	return c
}

func signedBy(t *testing.T, method jwt.SigningMethod, key any, id string, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if id != "" {
		token.Header["kid"] = id
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func withCritical(t *testing.T, method jwt.SigningMethod, key any, id string, names any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, name())
	token.Header["crit"], token.Header["x-unknown"], token.Header["b64"] = names, true, true
	if id != "" {
		token.Header["kid"] = id
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func name(more ...any) jwt.MapClaims {
	claims := jwt.MapClaims{"username": "bob", "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(more); i += 2 {
		claims[more[i].(string)] = more[i+1]
	}
	return claims
}

func TestTokensOfAPublishedKeyAreTakenOrRefused(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	public, err := x509.MarshalPKIXPublicKey(i.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	both := take(t, &config.JWT{Secret: signingKey, JWKS: i.URL, Access: config.Access{Group: "web"}})
	only := take(t, &config.JWT{JWKS: i.URL})
	strict := take(t, &config.JWT{Secret: signingKey, JWKS: i.URL, Issuer: "https://id", Audience: "us"})
	const bad, late = translate.CodeInvalidToken, translate.CodeTokenExpired
	hs := []byte(signingKey)
	for what, x := range map[string]struct {
		c     *Callers
		token string
		want  translate.Code
	}{
		"RSA":                           {both, signedBy(t, jwt.SigningMethodRS256, i.rsa, "r", name()), ""},
		"RSA-PSS":                       {both, signedBy(t, jwt.SigningMethodPS384, i.rsa, "r", name()), ""},
		"EC":                            {only, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name()), ""},
		"EC without a key id":           {only, signedBy(t, jwt.SigningMethodES256, i.ec, "", name()), ""},
		"HMAC beside it":                {both, signedBy(t, jwt.SigningMethodHS256, hs, "", name()), ""},
		"HMAC that names a public key":  {both, signedBy(t, jwt.SigningMethodHS256, hs, "r", name()), ""},
		"HMAC without a secret":         {only, signedBy(t, jwt.SigningMethodHS256, []byte{}, "", name()), bad},
		"HMAC with the public key, PEM": {both, signedBy(t, jwt.SigningMethodHS256, asPEM, "r", name()), bad},
		"HMAC with the public key, DER": {only, signedBy(t, jwt.SigningMethodHS256, public, "r", name()), bad},
		"HMAC with the modulus":         {both, signedBy(t, jwt.SigningMethodHS256, i.rsa.N.Bytes(), "r", name()), bad},
		"no algorithm":                  {both, signedBy(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "r", name()), bad},
		"RSA under the EC key":          {both, signedBy(t, jwt.SigningMethodRS256, i.rsa, "e", name()), bad},
		"a stranger's key":              {both, signedBy(t, jwt.SigningMethodRS256, stranger, "r", name()), bad},
		"an unknown key":                {both, signedBy(t, jwt.SigningMethodRS256, stranger, "x", name()), bad},
		"expired":                       {both, signedBy(t, jwt.SigningMethodRS256, i.rsa, "r", name("exp", time.Now().Add(-time.Minute).Unix())), late},
		"expired and a stranger's":      {both, signedBy(t, jwt.SigningMethodRS256, stranger, "r", name("exp", time.Now().Add(-time.Minute).Unix())), bad},
		"for ever":                      {both, signedBy(t, jwt.SigningMethodES256, i.ec, "e", jwt.MapClaims{"username": "bob"}), bad},
		"not yet":                       {both, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("nbf", time.Now().Add(time.Minute).Unix())), bad},
		"no name":                       {both, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("username", 7)), bad},
		"a reserved name":               {both, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("username", "Anonymous@1.2.3.4")), bad},
		"a name with a line end":        {both, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("username", "a\nb")), bad},
		"too long":                      {both, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("x", strings.Repeat("x", maxToken))), bad},
		"a claim that only ours have":   {both, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name(keyClaim, "x")), ""},
		"issuer and audience":           {strict, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("iss", "https://id", "aud", []string{"them", "us"})), ""},
		"another issuer":                {strict, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("iss", "https://other", "aud", "us")), bad},
		"another audience":              {strict, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("iss", "https://id", "aud", "them")), bad},
		"neither of them":               {strict, signedBy(t, jwt.SigningMethodHS256, hs, "", name()), bad},
		"critical, HMAC":                {both, withCritical(t, jwt.SigningMethodHS256, hs, "", []string{"x-unknown"}), bad},
		"critical, published":           {both, withCritical(t, jwt.SigningMethodES256, i.ec, "e", []string{"x-unknown"}), bad},
		"critical, a known name":        {both, withCritical(t, jwt.SigningMethodES256, i.ec, "e", []string{"exp"}), bad},
		"critical, b64":                 {only, withCritical(t, jwt.SigningMethodES256, i.ec, "e", []string{"b64"}), bad},
		"critical, empty":               {only, withCritical(t, jwt.SigningMethodES256, i.ec, "e", []string{}), bad},
		"critical, nothing":             {only, withCritical(t, jwt.SigningMethodES256, i.ec, "e", nil), bad},
	} {
		got, err := x.c.Identify(nil, x.token, "1.2.3.4")
		switch {
		case x.want != "" && (err == nil || err.Code != x.want):
			t.Errorf("%s: got %v, %v, want %s", what, got, err, x.want)
		case x.want == "" && (err != nil || got.Name != "bob" || got.Group != x.c.tokens.conf.Group):
			t.Errorf("%s: got %+v, %v", what, got, err)
		}
	}
}

func TestKeysOfTokensChangeAndOutliveTheirEndpoint(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	c := take(t, &config.JWT{JWKS: i.URL})
	old := signedBy(t, jwt.SigningMethodES256, i.ec, "e", name())
	next := signedBy(t, jwt.SigningMethodRS256, i.rsa, "next", name())
	if _, err := c.Identify(nil, old, ""); err != nil {
		t.Fatal(err)
	}
	i.publish(t, map[string]crypto.PublicKey{"next": i.rsa.Public()})
	if _, err := c.Identify(nil, next, ""); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if _, err := c.Identify(nil, old, ""); err == nil || err.Code != translate.CodeInvalidToken {
		t.Errorf("the key that was withdrawn: %v", err)
	}
	i.Close()
	if _, err := c.Identify(nil, next, ""); err != nil {
		t.Errorf("without the endpoint: %v", err)
	}
}

func TestATokenWhoseKeysWereNeverFetchedIsNotCalledBad(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.Close()
	c := take(t, &config.JWT{JWKS: i.URL, Secret: signingKey})
	if _, err := c.Identify(nil, signedBy(t, jwt.SigningMethodES256, i.ec, "e", name()), ""); err == nil || err.Code != translate.CodeInternal {
		t.Errorf("got %v", err)
	}
	if _, err := c.Identify(nil, signedBy(t, jwt.SigningMethodHS256, []byte(signingKey), "", name()), ""); err != nil {
		t.Errorf("a token that needs no keys: %v", err)
	}
}

func TestALoginIsGoodWhereIssuerAndAudienceAreAskedFor(t *testing.T) {
	t.Parallel()
	g, _ := ringed(t, &config.Callers{
		Keys: []config.Key{{Name: "alice", Key: "k"}},
		JWT:  &config.JWT{Secret: signingKey, Issuer: "i", Audience: "a"},
	}, nil)
	token, err := g.Login("alice", "k", "192.0.2.9", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, g, token, "alice")
}

func TestNobodyLogsInWithoutASecret(t *testing.T) {
	t.Parallel()
	g, _ := ringed(t, &config.Callers{
		Keys: []config.Key{{Name: "alice", Key: "k"}},
		JWT:  &config.JWT{JWKS: "http://127.0.0.1:1/"},
	}, nil)
	if token, err := g.Login("alice", "k", "192.0.2.9", time.Hour); err == nil {
		t.Errorf("got %s", token)
	}
}

func FuzzATokenIsTakenOnlyFromWhoSignedIt(f *testing.F) {
	c := New(&config.Callers{JWT: &config.JWT{Secret: signingKey, JWKS: "http://127.0.0.1:1/"}}, nil)
	claims := jwt.MapClaims{"username": "bob", "exp": int64(4e9)}
	good, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(signingKey))
	if err != nil {
		f.Fatal(err)
	}
	none, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, none, "a.b.c", "..", "e30.e30.", good + ".x", strings.Replace(good, ".", "..", 1)} {
		f.Add(s)
	}
	body := good[:strings.LastIndexByte(good, '.')]
	f.Fuzz(func(t *testing.T, token string) {
		got, err := c.Identify(nil, token, "")
		if (got == nil) == (err == nil) {
			t.Fatalf("got %v and %v", got, err)
		}
		if got != nil && !strings.HasPrefix(token, body+".") {
			t.Errorf("%q is taken", token)
		}
	})
}

func TestAPrefixKeepsUsersOfTokensApartFromKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	signing := &config.JWT{Secret: signingKey, JWKS: i.URL, Prefix: "sso:"}
	c := take(t, signing)
	for what, token := range map[string]string{
		"published": signedBy(t, jwt.SigningMethodES256, i.ec, "e", name()),
		"secret":    signedBy(t, jwt.SigningMethodHS256, []byte(signingKey), "", name()),
	} {
		if got, err := c.Identify(nil, token, ""); err != nil || got.Name != "sso:bob" {
			t.Errorf("%s: got %+v, %v, want sso:bob", what, got, err)
		}
	}
	long := signedBy(t, jwt.SigningMethodES256, i.ec, "e", name("username", strings.Repeat("x", 253)))
	if _, err := c.Identify(nil, long, ""); err == nil {
		t.Error("a name that is too long with its prefix was taken")
	}

	// Who logs in with a key is that key's caller, without a prefix.
	g, _ := ringed(t, &config.Callers{Keys: []config.Key{{Name: "bob", Key: "sk-of-bob"}}, JWT: signing}, nil)
	token, err := g.Login("bob", "sk-of-bob", "192.0.2.9", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, g, token, "bob")
	if _, _, err := g.callers.MakeKey("sso:bob", config.Access{}, time.Time{}, nil); err == nil {
		t.Error("a key was made for a user of tokens")
	}
}
