// Package limiter decides whether a question may start: requests per period,
// tokens per period and questions at once, counted for the caller, its user and
// group, the address, the model, and all together.
//
// A limit of N per period means at most N at once and N per period, refilled
// continuously (docs/rules/limits.md 1): who has used all of 60/m may ask
// again a second later, once.
package limiter

import (
	"context"
	"crypto/sha256"
	"hash/fnv"
	"math"

	"github.com/dragoman-gateway/dragoman/config"
)

// MaxBounds is how many bounds one Subject can have.
const MaxBounds = 8

// maxKey is the longest key, in bytes, that is kept as it is: some come from
// clients, and the memory of a bound must not be theirs to choose.
const maxKey = 64

// Limiter decides whether a question may start. Implementations are safe for
// concurrent use and pass limitertest.
type Limiter interface {
	// Admit takes one question's room under every bound of s, or under none: a
	// question that one rule refuses costs nothing under the others. However many
	// callers come at once, as many are admitted as there is room for. A refusal
	// is an *Exceeded; every other error says that nothing was decided, and that
	// nothing was taken: ctx has ended, or s has too many bounds.
	//
	// The Grant of an admitted question must be settled.
	Admit(ctx context.Context, s Subject) (Grant, error)
}

// Rule is one named set of limits, ready to be counted under. It is immutable.
type Rule struct {
	name       string
	requests   config.Rate
	tokens     config.Rate
	concurrent int32
	shared     bool
	scope      Scope
	seed       uint64 // of the name
}

// scopeOf reads a word of the configuration, which was checked.
func scopeOf(per string) Scope {
	switch per {
	case "user":
		return User
	case "group":
		return Group
	case "address":
		return Address
	case "model":
		return Model
	case "all":
		return All
	}
	return Caller
}

// Scope returns the scope in which the rule counts.
func (r *Rule) Scope() Scope {
	if r.shared {
		return All
	}
	return r.scope
}

// NewRule returns the rule that l describes, nil if it limits nothing. What was
// counted under a rule goes on to count under a later one of the same name, so
// reading the configuration again gives nobody a fresh allowance. Queue is not
// the limiter's business.
func NewRule(name string, l config.Limit) *Rule {
	r := &Rule{name: name, requests: usable(l.Requests), tokens: usable(l.Tokens), shared: l.Shared, scope: scopeOf(l.Per)}
	r.concurrent = int32(min(max(l.Concurrent, 0), math.MaxInt32))
	if r.requests.N == 0 && r.tokens.N == 0 && r.concurrent == 0 {
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	r.seed = h.Sum64()
	return r
}

// Name returns the name that the rule has in the configuration.
func (r *Rule) Name() string { return r.name }

// CountsTokens reports whether r limits tokens, so that a [Subject] under it needs
// an estimate.
func (r *Rule) CountsTokens() bool { return r.tokens.N > 0 }

// usable returns r, or no rate if r is not one that config accepts.
func usable(r config.Rate) config.Rate {
	if r.N < 1 || r.Per <= 0 {
		return config.Rate{}
	}
	return r
}

// Scope is the subject of a count: a caller, a group, an address. The same key in two
// scopes is two counts.
type Scope uint8

// The scopes.
const (
	All     Scope = iota // all questions together; the key is not looked at
	Caller               // the caller's name
	User                 // the end user behind the caller, with the caller's name
	Group                // the caller's group
	Address              // the client's address; an IPv6 one by its /64
	Model                // the model that is asked for
)

// Subject is a question that asks to be admitted: what it counts under, and how
// many tokens it may need. The zero value has no bounds and is always admitted.
type Subject struct {
	// Tokens is the estimate of what the question and its answer will use. Under
	// a limit of tokens less than 1 counts as 1, so that no question gets past a
	// limit that is used up.
	Tokens int
	// Place: it takes a place among those that run and nothing else: no rate counts it,
	// none refuses it, and it is counted in this process only.
	Place bool

	bounds [MaxBounds]bound
	n      int // more than MaxBounds: some are missing
}

// bound is one count that a question falls under.
type bound struct {
	rule  *Rule
	scope Scope
	key   string
}

// Under adds a bound: the question counts under r for key. A nil rule is no bound.
// A shared rule counts all keys of all scopes together. Key may alias memory that
// changes after Admit has returned: back ends copy what they keep. A key of more
// than 64 bytes is counted by its SHA-256. Bounds beyond MaxBounds make Admit fail.
func (s *Subject) Under(r *Rule, scope Scope, key string) {
	if r == nil {
		return
	}
	if s.n >= MaxBounds {
		s.n = MaxBounds + 1
		return
	}
	switch {
	case r.shared || scope == All:
		scope, key = All, ""
	case len(key) > maxKey:
		sum := sha256.Sum256([]byte(key))
		key = string(sum[:])
	}
	s.bounds[s.n] = bound{r, scope, key}
	s.n++
}

// Grant is the room that Admit took. It is a plain value without memory of its
// own; keep one copy of it and settle that one. One goroutine uses it. The zero
// value holds nothing.
type Grant struct {
	local  *Local  // what settles it; nil: it is settled
	ticket *ticket // what is to be given back where several processes count; nil: nothing
	state  State
	tokens int // what was reserved under limits of tokens
	place  bool
	held   [MaxBounds]*entry
	n      int
}

// Settle gives back the place of a running question and corrects the tokens to
// what was used: what was reserved too much may be used at once, and what was used
// beyond the estimate is a debt that must refill before the next question. Zero
// gives all tokens back, as for a question that failed; negative counts as zero.
// The question itself stays counted. Settle must be called exactly once; a second
// call on the same Grant does nothing.
func (g *Grant) Settle(tokens int) {
	l, t := g.local, g.ticket
	g.local, g.ticket = nil, nil
	if l != nil {
		l.settle(g, max(tokens, 0))
	}
	if t != nil {
		t.settle(max(tokens, 0))
	}
}

// More reserves tokens more under the limits of tokens, for what was found out only
// after the question was admitted, such as the length of its history. It takes them
// under all of them or under none; a refusal is an *Exceeded, and leaves the grant
// as it was. It does not count a question, and does nothing after Settle or Cancel.
func (g *Grant) More(tokens int) error {
	if g.local == nil || g.place || tokens <= 0 {
		return nil
	}
	if t := g.ticket; t != nil {
		return t.more(g, tokens)
	}
	return g.local.more(g, tokens, ifThere)
}

// Cancel gives everything back, as if the question had never come: also the one
// that Settle leaves counted. It takes the place of Settle.
func (g *Grant) Cancel() {
	l, t := g.local, g.ticket
	g.local, g.ticket = nil, nil
	if l != nil {
		l.cancel(g)
	}
	if t != nil {
		t.cancel()
	}
}

// Report returns how the tightest of the question's limits stood right after it
// was admitted: one of requests if there is any, else of tokens, else of
// questions at once. It is the zero State if nothing limits the question, and
// stays valid after Settle.
func (g *Grant) Report() State { return g.state }
