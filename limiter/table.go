package limiter

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/dragoman-gateway/dragoman/config"
)

// entry is one count: a rule, for a key. It is 64 bytes, and 80 more where there
// is a limit of requests. The lock of its shard guards it.
type entry struct {
	next     *entry // in its chain
	rule     *Rule
	key      string
	requests *rate.Limiter // nil: no limit of requests
	tokens   meter
	open     int32 // questions that are being decided or run; they keep the entry
	scope    Scope
	shard    uint8
	used     bool // more than once since the hand last passed
}

// overflow marks the scope of a count that callers share because there was no
// room for counts of their own.
const overflow Scope = 1 << 7

// shard is a hash table with chains. A hand goes round and drops entries that are
// full again; each is as good as a new one, so nothing but time is lost by dropping
// the wrong one, and a bit says well enough which are in use.
type shard struct {
	mu      sync.Mutex
	last    time.Time // the latest time seen
	chains  []*entry  // their number is a power of two
	count   int
	over    int // how many of count are marked overflow
	hand    int // the chain to be looked at next for entries to drop
	refused uint64
	_       [48]byte // a cache line of its own for the next one's lock
}

const (
	minChains  = 8
	fewEntries = 32 // up to so many are left in peace
	sweepNew   = 2  // chains looked at for each new entry
	sweepLimit = 16 // chains looked at when there is no room: 5 us, cold
)

func newEntry(b bound, shard uint8) *entry {
	// The key may lie in a buffer that is used again, or keep a large one alive.
	e := &entry{rule: b.rule, scope: b.scope, key: strings.Clone(b.key), shard: shard}
	if r := b.rule.requests; r.N > 0 {
		e.requests = rate.NewLimiter(perSecond(r), r.N)
	}
	return e
}

func perSecond(r config.Rate) rate.Limit { return rate.Limit(float64(r.N) / r.Per.Seconds()) }

// is reports whether e counts b. Rules of one name are the same rule, before and
// after a reload.
func (e *entry) is(b bound) bool {
	return e.key == b.key && e.scope == b.scope && (e.rule == b.rule || e.rule.name == b.rule.name)
}

// idle reports whether e can be forgotten: nothing runs, and nothing is used.
func (e *entry) idle(now time.Time, at time.Duration) bool {
	if e.open > 0 {
		return false
	}
	if r := e.rule.tokens; r.N > 0 && e.tokens.drained(at, r) > 0 {
		return false
	}
	return e.requests == nil || e.requests.TokensAt(now) >= float64(e.rule.requests.N)
}

// adopt makes e count under r, a later rule of the same name. What is used stays
// used: of requests what is left, of tokens the share of the limit.
func (e *entry) adopt(r *Rule, now time.Time, at time.Duration) {
	old := e.rule
	e.rule = r
	switch {
	case r.tokens.N == 0 || old.tokens.N == 0:
		e.tokens = meter{}
	case r.tokens != old.tokens:
		e.tokens.rescale(at, old.tokens, r.tokens)
	}
	switch {
	case r.requests.N == 0:
		e.requests = nil
	case e.requests == nil:
		e.requests = rate.NewLimiter(perSecond(r.requests), r.requests.N)
	case r.requests != old.requests:
		e.requests.SetLimitAt(now, perSecond(r.requests))
		e.requests.SetBurstAt(now, r.requests.N)
	}
}

// inherit makes e, which is new, as used as o.
func (e *entry) inherit(o *entry, now time.Time) {
	e.tokens = o.tokens
	if e.requests != nil && o.requests != nil {
		e.requests.AllowN(now, e.rule.requests.N-whole(o.requests.TokensAt(now)))
	}
}

// find returns the entry of b, nil if there is none.
func (s *shard) find(h uint64, b bound) *entry {
	if len(s.chains) == 0 {
		return nil
	}
	e := s.chains[h&uint64(len(s.chains)-1)]
	for e != nil && !e.is(b) {
		e = e.next
	}
	return e
}

// add puts e, whose hash is h, into the table.
func (s *shard) add(h uint64, e *entry, hash func(e *entry) uint64) {
	if s.count >= len(s.chains) {
		s.resize(max(2*len(s.chains), minChains), hash)
	}
	c := &s.chains[h&uint64(len(s.chains)-1)]
	e.next, *c = *c, e
	s.count++
	if e.scope&overflow != 0 {
		s.over++
	}
}

// sweep looks at the next n chains and drops the idle entries of each that were
// not used lately. It returns how many of the dropped ones belonged to one caller.
func (s *shard) sweep(n int, now time.Time, at time.Duration) (dropped int) {
	for ; n > 0 && s.count > 0; n-- {
		s.hand = (s.hand + 1) & (len(s.chains) - 1)
		for p := &s.chains[s.hand]; *p != nil; {
			e := *p
			if e.used || !e.idle(now, at) {
				e.used = false
				p = &e.next
				continue
			}
			*p = e.next
			s.count--
			if e.scope&overflow != 0 {
				s.over--
			} else {
				dropped++
			}
		}
	}
	return dropped
}

// shrink gives memory back after a crowd has gone. When all newcomers are idle
// soon, sweeping keeps a quarter as many entries as there are chains, so the
// threshold must be above that.
func (s *shard) shrink(hash func(e *entry) uint64) {
	if n := len(s.chains); n > minChains && s.count < n*3/8 {
		s.resize(n/2, hash)
	}
}

func (s *shard) resize(n int, hash func(e *entry) uint64) {
	chains := make([]*entry, n)
	for _, e := range s.chains {
		for e != nil {
			next := e.next
			c := &chains[hash(e)&uint64(n-1)]
			e.next, *c = *c, e
			e = next
		}
	}
	s.chains, s.hand = chains, s.hand&(n-1)
}
