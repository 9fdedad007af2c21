package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// How long a secret has to be that nobody is meant to guess, in characters: one that
// is compared, and one that signs (RFC 7518, 3.2).
const (
	leastSecret  = 16
	leastSigning = 32
	leastOwn     = 12 // that belong to no common word
)

// Warnings returns what is allowed in c and yet worth a second look, by line. It
// never holds the value of a secret.
func (c *Config) Warnings() []Problem {
	var all []Problem
	add := func(path, format string, args ...any) {
		all = append(all, Problem{Line: c.from.line(path), Path: path, Message: fmt.Sprintf(format, args...)})
	}
	for i := range c.Callers.Keys {
		k, path := &c.Callers.Keys[i], index("callers.keys", i)
		if why := weakness(k.Key, k.Name, leastSecret); k.Key != "" && why != "" {
			add(child(path, "key"), "can be guessed: it %s. dragoman key makes keys of 256 random bits", why)
		}
		if k.Key == "" && hashOfWord(k.KeySHA256, k.Name) {
			add(child(path, "key_sha256"), "is the hash of a key that can be guessed")
		}
	}
	if why := weakness(c.Admin.Token, "", leastSecret); c.Admin.Token != "" && why != "" {
		add("admin.token", "can be guessed: it %s. Without it one is made", why)
	}
	if why := weakness(c.Admin.ReadToken, "", leastSecret); c.Admin.ReadToken != "" && why != "" {
		add("admin.read_token", "can be guessed: it %s", why)
	}
	if c.Callers.Anonymous != nil {
		if len(c.Hosts) == 0 {
			add("hosts", "is empty: with callers.anonymous any Host is taken, also that of a page whose name was made to point here, which then acts for whoever looks at it. Name the hosts under which this server is reached")
		}
		if c.TrustedProxies == nil {
			add("trusted_proxies", "is not there: with callers.anonymous everybody behind one proxy is one caller. Name the proxies, or write [] where there is none")
		}
	}
	if j := c.Callers.JWT; j != nil {
		if why := weakness(j.Secret, "", leastSigning); j.Secret != "" && why != "" {
			add("callers.jwt.secret", "can be found out from any token: it %s", why)
		}
		if j.JWKS != "" && j.Prefix == "" && len(c.Callers.Keys) > 0 {
			add("callers.jwt.jwks", "a user who has the name of a key is that caller, conversations included: set callers.jwt.prefix unless whoever signs the tokens gives out the names of callers.keys to nobody else")
		}
	}
	switch joint := strings.HasPrefix(c.Store.URL, "postgres"); {
	case joint && c.Shared.URL == "":
		add("store.url", "several processes may work on this store, but without shared.url each of them counts limits and learns of failing channels for itself: run one, or set shared.url")
	case !joint && c.Shared.URL != "":
		add("store.url", "belongs to one process: with shared.url several of them share limits and what they learn of channels, but conversations, keys made at run time and the ledger are each one's own. A postgres:// is for all of them")
	}
	slices.SortStableFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return all
}

// commonWords are what is tried first by whoever guesses.
var commonWords = []string{
	"password", "passwort", "changeme", "dragoman", "example", "default", "letmein", "welcome", "chatnio", "qwerty", "secret", "public",
	"apikey", "iagent", "openai", "master", "client", "caller", "anthropic", "token", "admin", "hello", "local", "guest", "key", "test", "demo",
	"user", "root", "pass", "rest", "dev", "foo", "bar", "abc", "sk", "my", "for", "the",
}

// weakness says why secret, whose owner is called name, may be guessed; it is empty
// where nothing is known against it.
func weakness(secret, name string, least int) string {
	low := strings.ToLower(secret)
	switch {
	case name != "" && strings.EqualFold(secret, name):
		return "is the name"
	case len([]rune(secret)) < least:
		return fmt.Sprintf("has less than %d characters", least)
	case repeats(low):
		return "repeats itself"
	case distinct(low) < 6 || counts(low):
		return "has too few different characters, or counts"
	}
	if name != "" {
		low = strings.ReplaceAll(low, strings.ToLower(name), " ")
	}
	for _, w := range commonWords {
		low = strings.ReplaceAll(low, w, " ")
	}
	own := 0
	for _, r := range low {
		if r > ' ' && !strings.ContainsRune("-_.:/+=", r) {
			own++
		}
	}
	if own < leastOwn {
		return "is made of common words"
	}
	return ""
}

// repeats reports whether s is one piece, three times or more.
func repeats(s string) bool {
	for n := 1; n <= len(s)/3; n++ {
		if s[n:] == s[:len(s)-n] {
			return true
		}
	}
	return false
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// counts reports whether most of s goes up or down by one, such as 0123456789abcdef.
func counts(s string) bool {
	up, down := 0, 0
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[i-1] + 1:
			up++
		case s[i-1] - 1:
			down++
		}
	}
	return 2*max(up, down) > len(s)
}

// hashOfWord reports whether sum is the SHA-256 of a word that is tried first.
func hashOfWord(sum, name string) bool {
	is := func(word string) bool {
		one := sha256.Sum256([]byte(word))
		return strings.EqualFold(sum, hex.EncodeToString(one[:]))
	}
	return is(name) || is("sk-"+name) || slices.ContainsFunc(commonWords, func(w string) bool { return is(w) || is("sk-"+w) })
}
