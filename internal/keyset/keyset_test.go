package keyset

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoint hands out a set that a test may change.
type endpoint struct {
	*httptest.Server
	fetches atomic.Int32
	mu      sync.Mutex
	answer  http.HandlerFunc
}

func serve(t *testing.T, answer http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{answer: answer}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.fetches.Add(1)
		e.mu.Lock()
		answer := e.answer
		e.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) now(answer http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(s)) }
}

// set is the JWK set of keys.
func set(t *testing.T, keys ...jose.JSONWebKey) http.HandlerFunc {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return text(string(b))
}

func newEC(t *testing.T, id string, c elliptic.Curve) jose.JSONWebKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k.Public(), KeyID: id}
}

func newRSA(t *testing.T, id string, bits int) jose.JSONWebKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k.Public(), KeyID: id}
}

// quick asks as often as a test wants to, and waits for the answer however busy the
// machine is.
var quick = Options{Every: time.Hour, Apart: time.Nanosecond, Wait: time.Minute, Most: time.Minute}

func open(t *testing.T, url string, o Options) *Set {
	t.Helper()
	s := Open(url, slog.New(slog.DiscardHandler), o)
	t.Cleanup(s.Close)
	return s
}

func (s *Set) must(t *testing.T, id, algorithm string, want crypto.PublicKey) {
	t.Helper()
	got, err := s.Find(id, algorithm)
	if err != nil {
		t.Fatalf("%s %s: %v", id, algorithm, err)
	}
	if !got.(interface{ Equal(crypto.PublicKey) bool }).Equal(want) {
		t.Fatalf("%s %s is another key", id, algorithm)
	}
}

func (s *Set) mustNot(t *testing.T, id, algorithm string, want error) {
	t.Helper()
	if got, err := s.Find(id, algorithm); !errors.Is(err, want) {
		t.Fatalf("%s %s: got %v, %v, want %v", id, algorithm, got, err, want)
	}
}

func TestAKeyIsFoundByItsIDForItsOwnAlgorithmsOnly(t *testing.T) {
	t.Parallel()
	r, e, pinned := newRSA(t, "r", 2048), newEC(t, "e", elliptic.P384()), newRSA(t, "pinned", 2048)
	pinned.Algorithm = "RS256"
	s := open(t, serve(t, set(t, r, e, pinned)).URL, quick)
	s.must(t, "r", "RS256", r.Key)
	s.must(t, "r", "PS512", r.Key)
	s.must(t, "e", "ES384", e.Key)
	s.must(t, "", "ES384", e.Key) // the only one
	s.must(t, "pinned", "RS256", pinned.Key)
	for _, x := range [][2]string{
		{"pinned", "RS512"}, {"r", "ES256"}, {"r", "HS256"}, {"r", "none"}, {"r", ""}, {"e", "ES256"}, {"e", "RS256"}, {"", "RS256"}, {"x", "RS256"},
	} {
		s.mustNot(t, x[0], x[1], ErrUnknown)
	}
}

func TestKeysThatMustNotVerifyArePassedOver(t *testing.T) {
	t.Parallel()
	good, weak, cipher := newEC(t, "good", elliptic.P256()), newRSA(t, "weak", 1024), newRSA(t, "cipher", 2048)
	cipher.Use = "enc"
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	odd := newEC(t, "odd", elliptic.P256())
	odd.Algorithm = "HS256"
	s := open(t, serve(t, set(t, good, weak, cipher, odd,
		jose.JSONWebKey{Key: private, KeyID: "private"}, jose.JSONWebKey{Key: []byte("a secret of many bytes"), KeyID: "secret"})).URL, quick)
	s.must(t, "good", "ES256", good.Key)
	for id, algorithm := range map[string]string{"weak": "RS256", "cipher": "RS256", "odd": "ES256", "private": "ES256", "secret": "HS256"} {
		s.mustNot(t, id, algorithm, ErrUnknown)
	}
}

func TestANewKeyIsFetchedWhenATokenNamesItAndAnOldOneGoes(t *testing.T) {
	t.Parallel()
	one, two := newEC(t, "1", elliptic.P256()), newEC(t, "2", elliptic.P256())
	e := serve(t, set(t, one))
	s := open(t, e.URL, quick)
	s.must(t, "1", "ES256", one.Key)
	e.now(set(t, two))
	s.must(t, "2", "ES256", two.Key)
	s.mustNot(t, "1", "ES256", ErrUnknown)
	e.now(text(`{"keys":[]}`)) // all are withdrawn
	s.mustNot(t, "x", "ES256", ErrUnknown)
	s.mustNot(t, "2", "ES256", ErrUnknown)
}

func TestUnknownKeysDoNotHaveTheSetFetchedTooOften(t *testing.T) {
	t.Parallel()
	one := newEC(t, "1", elliptic.P256())
	e := serve(t, set(t, one))
	s := open(t, e.URL, Options{Every: time.Hour, Apart: time.Hour, Wait: time.Minute, Most: time.Minute})
	s.must(t, "1", "ES256", one.Key)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if _, err := s.Find(fmt.Sprint("guess", i), "ES256"); !errors.Is(err, ErrUnknown) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := e.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestWhatCannotBeReadLeavesTheKeysAsTheyWere(t *testing.T) {
	t.Parallel()
	one := newEC(t, "1", elliptic.P256())
	e := serve(t, set(t, one))
	var log bytes.Buffer
	s := Open(e.URL, slog.New(slog.NewTextHandler(&log, nil)), quick)
	defer s.Close()
	s.must(t, "1", "ES256", one.Key)
	for name, answer := range map[string]http.HandlerFunc{
		"a status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"no JSON":  text("<html>"),
		"nothing":  text(""),
		"null":     text("null"),
		"no set":   text(`{"key":1}`),
		"no list":  text(`{"keys":{}}`),
		"no keys":  text(`{"keys":[1,null,{"kty":"?"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"","e":""}]}`),
		"too much": text(`{"keys":[],"x":"` + strings.Repeat("x", maxBody) + `"}`),
		"a cut body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		},
		"a circle": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) },
		"a way to elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/keys", http.StatusFound)
		},
		"a hang-up": func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	} {
		before := e.fetches.Load()
		e.now(answer)
		s.mustNot(t, "2", "ES256", ErrUnknown)
		if e.fetches.Load() == before {
			t.Errorf("%s: it was not fetched", name)
		}
		s.must(t, "1", "ES256", one.Key)
	}
	e.CloseClientConnections()
	e.Close()
	s.mustNot(t, "2", "ES256", ErrUnknown)
	s.must(t, "1", "ES256", one.Key)
	s.Close()
	if text := log.String(); strings.Count(text, "\n") != 1 || strings.Contains(text, "127.0.0.1") {
		t.Errorf("the log says %q", text)
	}
}

func TestARedirectOnThisMachineIsFollowed(t *testing.T) {
	t.Parallel()
	one := newEC(t, "1", elliptic.P256())
	target := serve(t, set(t, one))
	s := open(t, serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, http.StatusFound) }).URL, quick)
	s.must(t, "1", "ES256", one.Key)
}

func TestARedirectNeverLeavesHTTPS(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		from, to string
		ok       bool
	}{
		{"https://a/", "https://b/", true}, {"http://localhost/", "https://b/", true}, {"http://localhost/", "http://[::1]:1/", true},
		{"https://a/", "http://127.0.0.1/", false}, {"http://localhost/", "http://a/", false}, {"https://a/", "ftp://a/", false},
	} {
		from, _ := url.Parse(x.from)
		to, _ := url.Parse(x.to)
		if err := redirect(&http.Request{URL: to}, []*http.Request{{URL: from}}); (err == nil) != x.ok {
			t.Errorf("%s to %s: %v", x.from, x.to, err)
		}
	}
}

func TestWithoutAnySetNothingIsKnownAndTheStartIsNotHeldUp(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	one := newEC(t, "1", elliptic.P256())
	good := set(t, one)
	e := serve(t, func(w http.ResponseWriter, r *http.Request) { <-free; good(w, r) })
	o := quick
	o.Wait = time.Nanosecond
	s := open(t, e.URL, o)
	s.mustNot(t, "1", "ES256", ErrNone)
	s.o.Wait = time.Minute
	close(free)
	s.must(t, "1", "ES256", one.Key)
}

func TestASetIsFetchedAgainByItself(t *testing.T) {
	t.Parallel()
	third := make(chan struct{})
	var n atomic.Int32
	e := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 3 {
			close(third)
		}
		_, _ = w.Write([]byte(`{"keys":[]}`))
	})
	s := open(t, e.URL, Options{Every: time.Millisecond})
	<-third
	s.mustNot(t, "1", "ES256", ErrUnknown)
}

func TestCloseEndsAFetchThatHangs(t *testing.T) {
	t.Parallel()
	come := make(chan struct{}, 1)
	e := serve(t, func(_ http.ResponseWriter, r *http.Request) { come <- struct{}{}; <-r.Context().Done() })
	s := Open(e.URL, slog.New(slog.DiscardHandler), quick)
	<-come
	s.Close()
	s.mustNot(t, "1", "ES256", ErrNone)
}

func FuzzASetIsReadOrRefused(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AQ"},{"kty":"OKP","crv":"Ed25519","x":""}]}`))
	f.Add([]byte(`{"keys":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := parse(b)
		if err != nil && keys != nil || len(keys) > maxKeys {
			t.Errorf("%d keys and %v", len(keys), err)
		}
		for _, k := range keys {
			if len(k.algorithms) == 0 || k.public == nil {
				t.Errorf("a key without use: %+v", k)
			}
		}
	})
}
