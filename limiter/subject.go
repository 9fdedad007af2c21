package limiter

import (
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
