package config

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

// warned is what is said of the text of a file, without its channels.
func warned(t *testing.T, text string) string {
	t.Helper()
	c, err := Load([]byte("channels: [{id: a, kind: mock, models: [m]}]\n"+text), "f", func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, w := range c.Warnings() {
		all = append(all, w.In("f"))
	}
	return strings.Join(all, "\n")
}

func TestAKeyThatCanBeGuessedIsAWarningWithItsLine(t *testing.T) {
	t.Parallel()
	for _, weak := range []string{
		"k", "test", "sk-test", "alice", "ALICE", "secret-key", "sk-alice-test-key", "password12345678", "0123456789abcdef", "fedcba9876543210",
		"aaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabc", "sk-test-sk-test-sk-test", "my-secret-key-for-alice", "alicealicealicealice", "xyzzy12",
		"changeme-changeme-please", "1212121212121212121", "zzzzzzzzyyyyyyyyzzz",
	} {
		got := warned(t, "callers: {keys: [\n {name: alice, key: \""+weak+"\"}]}")
		if !strings.HasPrefix(got, "f:3: callers.keys[0].key: can be guessed") || strings.Contains(got, "\n") {
			t.Errorf("%s: %q", weak, got)
		}
		if len(weak) > 10 && strings.Contains(got, weak) {
			t.Errorf("the warning holds the key: %q", got)
		}
	}
	for _, good := range []string{
		"sk-AB0Sd02JdkQqsRfzXnHlsBmGSN3mvk8r", "5e884898da28047151d0e56f8dc62927", "correct horse battery staple", "Tr0ub4dor&3-Xq9!mW",
		"7f3c9a1be2d84065", "4821730569183746",
	} {
		if got := warned(t, "callers: {keys: [{name: alice, key: \""+good+"\"}]}"); got != "" {
			t.Errorf("%s: %q", good, got)
		}
	}
}

func TestOtherSecretsThatCanBeGuessedAreWarnings(t *testing.T) {
	t.Parallel()
	hash := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	const strong = "sk-AB0Sd02JdkQqsRfzXnHlsBmGSN3mvk8r"
	for text, want := range map[string]string{
		"callers: {anonymous: {}}\ntrusted_proxies: []":                               "hosts: is empty",
		"callers: {anonymous: {}}\nhosts: [a.example]":                                "trusted_proxies: is not there",
		"callers: {anonymous: {}}\nhosts: [a.example]\ntrusted_proxies: []":           "",
		"callers: {anonymous: {}}\nhosts: [a.example]\ntrusted_proxies: [10.0.0.0/8]": "",
		"admin: {token: test}":                                                                                       "admin.token: can be guessed",
		"admin: {token: " + strong + "}":                                                                             "",
		"callers: {jwt: {secret: 7f3c9a1be2d84065}}":                                                                 "callers.jwt.secret: can be found out",
		"callers: {jwt: {secret: " + strong + "}}":                                                                   "",
		"callers: {keys: [{name: bob, key_sha256: " + hash("test") + "}]}":                                           "callers.keys[0].key_sha256: is the hash",
		"callers: {keys: [{name: bob, key_sha256: " + hash("sk-bob") + "}]}":                                         "callers.keys[0].key_sha256: is the hash",
		"callers: {keys: [{name: bob, key_sha256: " + hash(strong) + "}]}":                                           "",
		"callers: {keys: [{name: bob, key: " + strong + "}], jwt: {jwks: \"https://id.example/k\"}}":                 "callers.jwt.jwks: a user who has the name of a key",
		"callers: {keys: [{name: bob, key: " + strong + "}], jwt: {jwks: \"https://id.example/k\", prefix: \"u:\"}}": "",
		"callers: {jwt: {jwks: \"https://id.example/k\"}}":                                                           "",
	} {
		if got := warned(t, text); want == "" && got != "" || !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestAPrefixOfTokensIsNoBeginningOfAKeysName(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"sso:": "", "": "", "b": "callers.keys[0].name: begins with callers.jwt.prefix", "bob": "callers.keys[0].name: begins with",
		"anonymous:": "callers.jwt.prefix: must not begin with", "a\n": "callers.jwt.prefix: must be", strings.Repeat("x", 65): "callers.jwt.prefix: must be at most 64",
	} {
		c := Default()
		c.Channels = []Channel{{ID: "a", Kind: "mock", Models: []Model{{Name: "m"}}, Tier: 1, Weight: 1, Connections: 1, Transport: "http1", OnLeave: "cancel"}}
		c.Callers = Callers{Keys: []Key{{Name: "bob", Key: "k"}}, JWT: &JWT{Secret: "s", Prefix: prefix}}
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", prefix, err, want)
		}
		if err := c.CheckKey(Key{Name: prefix + "x"}); prefix != "" && err == nil {
			t.Errorf("%q: a key was allowed for a user of tokens", prefix)
		}
	}
}
