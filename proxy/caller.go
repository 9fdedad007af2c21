package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Caller is who asks: a key, a signed token or an anonymous address. It is
// immutable and may be shared.
type Caller struct {
	// Name is the caller's name; conversations belong to it. For an anonymous
	// caller it holds the address, so that nobody else can reach them.
	Name      string
	Anonymous bool
	Group     string
	limits    string          // of its limits the one with a budget, else the first; empty: none
	rules     []*limiter.Rule // none: no limits
	models    map[string]bool // nil: all
	expires   time.Time       // zero: never
	key       string          // id of the stored key; empty: none
}

// May reports whether c may use the model or preset name.
func (c *Caller) May(name string) bool { return c.models == nil || c.models[name] }

const anonymousPrefix = "anonymous"

// callers knows every credential of a plan.
type callers struct {
	keys      map[[sha256.Size]byte]*Caller
	anonymous *config.Access
	tokens    *tokens // nil: none are taken
	rules     rules
	limits    map[string]config.Limit
	common    []string // the rules that count every question
}

func newCallers(conf *config.Callers, limits map[string]config.Limit) *callers {
	c := &callers{
		keys:      make(map[[sha256.Size]byte]*Caller, len(conf.Keys)),
		anonymous: anonymous(conf),
		tokens:    newTokens(conf.JWT),
		rules:     newRules(limits),
		limits:    limits,
		common:    conf.Limits,
	}
	for i := range conf.Keys {
		k := &conf.Keys[i]
		sum := sha256.Sum256([]byte(k.Key))
		if k.Key == "" {
			// The configuration was checked: 64 hex digits.
			_, _ = hex.Decode(sum[:], []byte(k.KeySHA256))
		}
		c.keys[sum] = c.caller(k.Name, &k.Access, k.Expires)
	}
	return c
}

// anonymous is what conf lets callers without a key do; nil: nothing.
func anonymous(conf *config.Callers) *config.Access {
	if conf.Anonymous == nil {
		return nil
	}
	return &conf.Anonymous.Access
}

// budgeted is the one of names, or else of the rules for everybody, that has a
// budget; without any it is the first of names.
func (c *callers) budgeted(names []string) (first string) {
	for _, list := range [...][]string{names, c.common} {
		for _, name := range list {
			if c.limits[name].Budget.Amount > 0 {
				return name
			}
		}
	}
	if len(names) > 0 {
		first = names[0]
	}
	return first
}

// budgets is how many of names and of the rules for everybody have a budget.
func (c *callers) budgets(names []string) (n int) {
	for _, list := range [...][]string{names, c.common} {
		for _, name := range list {
			if c.limits[name].Budget.Amount > 0 {
				n++
			}
		}
	}
	return n
}

func (c *callers) caller(name string, a *config.Access, expires time.Time) *Caller {
	who := &Caller{Name: name, Group: a.Group, limits: c.budgeted(a.Limits), rules: c.rules.of(a.Limits, c.common), expires: expires}
	if len(a.Models) > 0 {
		who.models = make(map[string]bool, len(a.Models))
		for _, m := range a.Models {
			who.models[m] = true
		}
	}
	return who
}

// identify finds the caller behind token: a key of the file, a signed token, or one
// of stored, which may be nil. No token is the anonymous caller of address, where
// that is allowed. Keys are looked up by their hash, so the time that it takes tells
// nothing of a key.
func (c *callers) identify(stored *keyring, token, address string) (*Caller, *translate.Error) {
	if token == "" {
		return c.asAnonymous(address)
	}
	sum := sha256.Sum256([]byte(token))
	if known, ok := c.keys[sum]; ok {
		return known.alive()
	}
	if strings.Count(token, ".") == 2 {
		return c.signed(stored, token)
	}
	return stored.byHash(c, sum)
}

// alive returns c, unless its key has expired.
func (c *Caller) alive() (*Caller, *translate.Error) {
	if !c.expires.IsZero() && time.Now().After(c.expires) {
		return nil, &translate.Error{Code: translate.CodeTokenExpired, Message: "the key has expired"}
	}
	return c, nil
}

func unknownKey() *translate.Error {
	return &translate.Error{Code: translate.CodeInvalidToken, Message: "the key is not known"}
}

func (c *callers) asAnonymous(address string) (*Caller, *translate.Error) {
	if c.anonymous == nil {
		return nil, &translate.Error{Code: translate.CodeUnauthorized, Message: "a key is needed"}
	}
	a := c.caller(anonymousPrefix+"@"+address, c.anonymous, time.Time{})
	a.Anonymous = true
	return a, nil
}
