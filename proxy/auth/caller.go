package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/keyset"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Caller is who asks: a key, a signed token or an anonymous address. It is
// immutable and may be shared. The zero value may use every model and has no limits.
type Caller struct {
	// Name is the caller's name; conversations belong to it. For an anonymous
	// caller it holds the address, so that nobody else can reach them.
	Name      string
	Anonymous bool
	Group     string
	// Limits is the name of those of its limits that have a budget, else of the first; empty: none.
	Limits  string
	Rules   []*limiter.Rule // that count its questions; none: it has no limits
	models  map[string]bool // nil: all
	expires time.Time       // zero: never
	key     string          // id of the stored key; empty: none
}

// May reports whether c may use the model or preset name.
func (c *Caller) May(name string) bool { return c.models == nil || c.models[name] }

const anonymousPrefix = "anonymous"

// Callers knows every credential of a configuration. It is immutable, but for the
// key set that it holds between Open and Close, and safe for concurrent use.
type Callers struct {
	keys      map[[sha256.Size]byte]*Caller
	anonymous *config.Access
	tokens    *verifier // nil: no signed tokens are taken
	rules     rules
	limits    map[string]config.Limit
	common    []string // the rules that count every question
}

// New returns the callers of conf, which has been checked, under limits.
func New(conf *config.Callers, limits map[string]config.Limit) *Callers {
	c := &Callers{
		keys:      make(map[[sha256.Size]byte]*Caller, len(conf.Keys)),
		anonymous: anonymous(conf),
		tokens:    newVerifier(conf.JWT),
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
func (c *Callers) budgeted(names []string) (first string) {
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
func (c *Callers) budgets(names []string) (n int) {
	for _, list := range [...][]string{names, c.common} {
		for _, name := range list {
			if c.limits[name].Budget.Amount > 0 {
				n++
			}
		}
	}
	return n
}

func (c *Callers) caller(name string, a *config.Access, expires time.Time) *Caller {
	who := &Caller{Name: name, Group: a.Group, Limits: c.budgeted(a.Limits), Rules: c.rules.of(a.Limits, c.common), expires: expires}
	if len(a.Models) > 0 {
		who.models = make(map[string]bool, len(a.Models))
		for _, m := range a.Models {
			who.models[m] = true
		}
	}
	return who
}

// Identify finds the caller behind token: a key of the file, a signed token, or one
// of stored, which may be nil. No token is the anonymous caller of address, where
// that is allowed. Keys are looked up by their hash, so the time that it takes tells
// nothing of a key. The error's code is UNAUTHORIZED, INVALID_TOKEN or TOKEN_EXPIRED;
// INTERNAL_ERROR where the store failed.
func (c *Callers) Identify(stored *Keyring, token, address string) (*Caller, *translate.Error) {
	if token == "" {
		return c.asAnonymous(address)
	}
	sum := sha256.Sum256([]byte(token))
	if known, ok := c.keys[sum]; ok {
		return known.checkExpiry()
	}
	if strings.Count(token, ".") == 2 {
		return c.signed(stored, token)
	}
	return stored.byHash(c, sum)
}

// checkExpiry returns c, unless its key has expired.
func (c *Caller) checkExpiry() (*Caller, *translate.Error) {
	if !c.expires.IsZero() && time.Now().After(c.expires) {
		return nil, &translate.Error{Code: translate.CodeTokenExpired, Message: "the key has expired"}
	}
	return c, nil
}

func unknownKey() *translate.Error {
	return &translate.Error{Code: translate.CodeInvalidToken, Message: "the key is not known"}
}

func (c *Callers) asAnonymous(address string) (*Caller, *translate.Error) {
	if c.anonymous == nil {
		return nil, &translate.Error{Code: translate.CodeUnauthorized, Message: "a key is needed"}
	}
	a := c.caller(anonymousPrefix+"@"+address, c.anonymous, time.Time{})
	a.Anonymous = true
	return a, nil
}

// Named returns the caller called name: of the keys of the file one that has this name,
// or the anonymous caller of no address under "anonymous". An empty name is the anonymous
// caller too or, where there is none, somebody with every right and no limits.
func (c *Callers) Named(name string) (*Caller, *translate.Error) {
	switch {
	case name == "" && c.anonymous == nil:
		return &Caller{Name: "(nobody in particular)"}, nil
	case name == "" || name == anonymousPrefix:
		who, err := c.asAnonymous("")
		if err == nil {
			who.Name = anonymousPrefix // it was made just now, for nobody else
		}
		return who, err
	}
	for _, known := range c.keys {
		if known.Name == name {
			return known, nil
		}
	}
	return nil, &translate.Error{Code: translate.CodeNotFound, Message: "no key has that name"}
}

// Open begins to fetch the key set of signed tokens, if there is one, or goes on with that
// of before, which may be nil, if it is the same. Close ends that.
func (c *Callers) Open(before *Callers, log *slog.Logger, o keyset.Options) {
	var was *verifier
	if before != nil {
		was = before.tokens
	}
	c.tokens.open(was, log, o)
}

// Close stops the fetching, unless next, which may be nil, goes on with it.
func (c *Callers) Close(next *Callers) {
	var then *verifier
	if next != nil {
		then = next.tokens
	}
	c.tokens.close(then)
}
