package keyset

import (
	"bytes"
	"compress/gzip"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// raw answers with what say writes to the connection itself, until the client is gone.
func raw(say func(c net.Conn) error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		_ = say(c)
		_, _ = io.Copy(io.Discard, c)
	}
}

// repeat says text again and again, every is how long it waits in between.
func repeat(first, text string, every time.Duration) func(c net.Conn) error {
	return func(c net.Conn) error {
		_, err := io.WriteString(c, first)
		pause := time.NewTicker(max(every, time.Microsecond))
		defer pause.Stop()
		for err == nil {
			if every > 0 {
				<-pause.C
			}
			_, err = io.WriteString(c, text)
		}
		return err
	}
}

func once(text string) func(c net.Conn) error {
	return func(c net.Conn) error {
		_, err := io.WriteString(c, text)
		return err
	}
}

// bomb is 64 MiB of JSON in some KiB.
func bomb() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, `{"keys":[`)
	for range 64 {
		_, _ = z.Write(bytes.Repeat([]byte("0,"), 512<<10))
	}
	_ = z.Close()
	return b.String()
}

// Not in parallel with others: it counts what is allocated.
func TestAnEndpointThatNeverEndsIsGivenUpAndTakesNoMemory(t *testing.T) {
	one := newEC(t, "1", elliptic.P256())
	e := serve(t, set(t, one))
	var log bytes.Buffer
	s := Open(e.URL, slog.New(slog.NewTextHandler(&log, nil)), Options{Every: time.Hour, Apart: time.Nanosecond, Wait: time.Minute, Most: 500 * time.Millisecond})
	defer s.Close()
	s.must(t, "1", "ES256", one.Key)
	const head, line = "HTTP/1.1 200 OK\r\n", "Content-Length: 100000\r\n\r\n"
	packed := bomb()
	for name, say := range map[string]func(c net.Conn) error{
		"says nothing":                 func(net.Conn) error { return nil },
		"a head in drops":              repeat("HTTP/1.1 200 OK\r\nX: ", "x", 10*time.Millisecond),
		"a body in drops":              repeat(head+line, " ", 10*time.Millisecond),
		"a head without an end":        repeat(head, "X: y\r\n", 0),
		"a header without an end":      repeat(head+"X: ", strings.Repeat("x", 4096), 0),
		"a status line without an end": repeat("HTTP/1.1 200 ", strings.Repeat("x", 4096), 0),
		"interim answers":              repeat("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 0),
		"a body without an end":        repeat(head+"\r\n", strings.Repeat(" ", 4096), 0),
		"chunks without an end":        repeat(head+"Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", 0),
		"a chunk of 2^63":              repeat(head+"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", strings.Repeat(" ", 4096), 0),
		"a length of 2^63":             repeat(head+"Content-Length: 9223372036854775807\r\n\r\n", strings.Repeat(" ", 4096), 0),
		"64 MiB, packed":               once(fmt.Sprintf("%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", head, len(packed), packed)),
		"numbers for keys":             once(head + line + `{"keys":[` + strings.Repeat("1,", 49_990) + "1,1,1]}    "),
		"nested 40,000 times":          once(head + line + strings.Repeat("[", 100_000)),
	} {
		e.now(raw(say))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.mustNot(t, "2", "ES256", ErrUnknown)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("%s: %d MiB were allocated", name, n>>20)
		}
		s.must(t, "1", "ES256", one.Key)
		e.CloseClientConnections()
	}
	s.Close()
	if text := log.String(); strings.Count(text, "\n") != 1 || strings.Contains(text, "127.0.0.1") {
		t.Errorf("the log says %q", text)
	}
}

func TestKeysThatCostTooMuchOrNobodyCanUseArePassedOver(t *testing.T) {
	t.Parallel()
	good, long, edge := newEC(t, "good", elliptic.P256()), newEC(t, strings.Repeat("k", maxID+1), elliptic.P256()), newEC(t, strings.Repeat("k", maxID), elliptic.P256())
	of := func(id string, bits uint, add int64, e int) jose.JSONWebKey {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return jose.JSONWebKey{Key: &rsa.PublicKey{N: n.Add(n, big.NewInt(add)), E: e}, KeyID: id}
	}
	s := open(t, serve(t, set(t, long, of("4097", 4097, 1, 65537), of("16384", 16384, 1, 65537), of("100000", 100_000, 1, 65537),
		of("even", 2048, 0, 65537), of("E 1", 2048, 1, 1), of("E 4", 2048, 1, 4), of("E 2^32", 2048, 1, 1<<32+1), good, edge, of("4096", 4096, 1, 65537))).URL, quick)
	s.must(t, "good", "ES256", good.Key)
	s.must(t, edge.KeyID, "ES256", edge.Key)
	if _, err := s.Find("4096", "RS256"); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"4097", "16384", "100000", "even", "E 1", "E 4", "E 2^32", long.KeyID} {
		s.mustNot(t, id, "RS256", ErrUnknown)
		s.mustNot(t, id, "ES256", ErrUnknown)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	for what, k := range map[string]string{
		"a point that is not on its curve": `{"kty":"EC","crv":"P-256","x":"` + b64(bytes.Repeat([]byte{1}, 32)) + `","y":"` + b64(bytes.Repeat([]byte{2}, 32)) + `"}`,
		"a point beyond its field":         `{"kty":"EC","crv":"P-256","x":"` + b64(bytes.Repeat([]byte{255}, 32)) + `","y":"` + b64(bytes.Repeat([]byte{255}, 32)) + `"}`,
		"no point":                         `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`,
		"a point of 100 KiB":               `{"kty":"EC","crv":"P-521","x":"` + strings.Repeat("A", 100<<10) + `","y":"AA"}`,
		"another curve":                    `{"kty":"EC","crv":"P-224","x":"AA","y":"AA"}`,
		"a curve of coins":                 `{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`,
		"an empty modulus":                 `{"kty":"RSA","n":"","e":"AQAB"}`,
		"an exponent of 1 KiB":             `{"kty":"RSA","n":"` + b64(bytes.Repeat([]byte{255}, 256)) + `","e":"` + strings.Repeat("A", 1<<10) + `"}`,
		"certificates that are none":       `{"kty":"RSA","n":"` + b64(bytes.Repeat([]byte{255}, 256)) + `","e":"AQAB","x5c":["AAAA",1]}`,
		"a name that is a list":            `{"kty":"RSA","kid":["a"],"n":"` + b64(bytes.Repeat([]byte{255}, 256)) + `","e":"AQAB"}`,
	} {
		if keys, err := parse([]byte(`{"keys":[` + k + `]}`)); err == nil {
			t.Errorf("%s is taken: %v", what, keys)
		}
	}
}

func TestASetOfVeryManyKeysIsReadAsFarAsItsFirst(t *testing.T) {
	t.Parallel()
	const one = `{"kty":"RSA","n":"AQAB","e":"AQAB"},`
	keys, err := parse([]byte(`{"keys":[` + strings.Repeat(one, maxBody/len(one)-1) + strings.TrimSuffix(one, ",") + `]}`))
	if err == nil || keys != nil {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

func TestAKeyWithANameThatNoneHasIsLookedForNowhere(t *testing.T) {
	t.Parallel()
	one := newEC(t, "1", elliptic.P256())
	e := serve(t, set(t, one))
	s := open(t, e.URL, quick)
	s.must(t, "1", "ES256", one.Key)
	before := e.fetches.Load()
	for range 100 {
		if _, err := s.Find(strings.Repeat("x", maxID+1), "ES256"); !errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
	}
	if n := e.fetches.Load(); n != before {
		t.Errorf("%d fetches", n-before)
	}
}

// What a token with a wrong signature costs, with the most expensive key that is taken.
func BenchmarkTheMostExpensiveKey(b *testing.B) {
	n := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), rsaMost), big.NewInt(1))
	public := &rsa.PublicKey{N: n, E: 1<<31 - 1}
	signature := bytes.Repeat([]byte{1}, rsaMost/8)
	for b.Loop() {
		if rsa.VerifyPKCS1v15(public, 0, make([]byte, 32), signature) == nil {
			b.Fatal("it is taken")
		}
	}
}
