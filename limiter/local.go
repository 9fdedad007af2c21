package limiter

import (
	"context"
	"errors"
	"hash/maphash"
	"math/bits"
	"sync/atomic"
	"time"
)

// DefaultKeys is how many counts a Local keeps unless Options say otherwise. A
// million of them, each with a limit of requests and a key of 16 bytes, take 168 MB,
// measured.
const DefaultKeys = 1_000_000

// shards is how many locks a Local has; a set of them is a uint64.
const shards = 64

// errBounds is a mistake of the program, not of a client.
var errBounds = errors.New("limiter: a question has too many bounds")

// Options are the settings of a Local. A gateway uses the zero value.
type Options struct {
	// Now is the clock. It is called by many goroutines. Default: time.Now.
	Now func() time.Time
	// Keys is how many counts are kept at most, over all rules and scopes, not
	// counting the few that callers share; a rule of all callers has its count in
	// any case. Default: DefaultKeys.
	Keys int
}

// Local is a Limiter in this process's own memory.
//
// A count is forgotten only when nothing runs under it and it is full again, so
// that being forgotten never gives anyone a fresh allowance. When Keys counts are
// in use, callers that come new share one count for each rule, scope and shard (of
// which there are 64), and pass for one caller there. Once there is room again,
// they begin with what the shared count has left; only what runs under it does not
// count against them.
//
// It has no goroutine: each new caller pays for looking at a few old ones.
type Local struct {
	now    func() time.Time
	start  time.Time
	seed   maphash.Seed
	room   atomic.Int64  // how many more counts may be kept
	next   atomic.Uint32 // the shard that sweepNext looked at last
	shards [shards]shard
}

// NewLocal returns an empty Local.
func NewLocal(o Options) *Local {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keys <= 0 {
		o.Keys = DefaultKeys
	}
	l := &Local{now: o.Now, start: o.Now(), seed: maphash.MakeSeed()}
	l.room.Store(int64(o.Keys))
	return l
}

// Admit implements Limiter. It never waits, and allocates only for a key that it
// does not know and for a refusal.
func (l *Local) Admit(ctx context.Context, s Subject) (Grant, error) {
	if err := s.usable(ctx); err != nil || s.n == 0 {
		return Grant{}, err
	}
	var hashes [MaxBounds]uint64
	set := l.locate(&s, &hashes)
	l.lock(set)
	defer l.unlock(set)
	return l.decide(&s, &hashes, l.tick(set))
}

// usable returns why nothing can be decided about s, if so.
func (s *Subject) usable(ctx context.Context) error {
	if s.n > MaxBounds {
		return errBounds
	}
	return ctx.Err()
}

// locate fills in the hashes of s's bounds and returns the set of their shards.
func (l *Local) locate(s *Subject, hashes *[MaxBounds]uint64) (set uint64) {
	for i := range s.n {
		b := &s.bounds[i]
		hashes[i] = l.hash(b.rule, b.scope, b.key)
		set |= 1 << shardOf(hashes[i])
	}
	return set
}

// decide holds all of s's shards, so that checking every bound and then taking
// from every bound is one step.
func (l *Local) decide(s *Subject, hashes *[MaxBounds]uint64, now time.Time) (Grant, error) {
	at := now.Sub(l.start)
	g := Grant{local: l, tokens: max(s.Tokens, 1), place: s.Place}
	for i := range s.n {
		e := l.entry(hashes[i], s.bounds[i], now)
		if g.holds(e) {
			continue
		}
		e.open++ // at once: making room for the next bound must not drop this one
		g.held[g.n] = e
		g.n++
	}
	var worst verdict
	var left [MaxBounds]room
	for i, e := range g.held[:g.n] {
		if s.Place {
			e.rule.places(e.open, &worst)
			continue
		}
		left[i] = e.check(now, at, g.tokens, &worst)
	}
	if worst.kind != 0 {
		for _, e := range g.held[:g.n] {
			e.open--
		}
		l.shards[g.held[0].shard].refused++
		return Grant{}, worst.exceeded(g.tokens)
	}
	for i, e := range g.held[:g.n] {
		if !s.Place {
			e.take(now, at, left[i], &g)
		}
	}
	return g, nil
}

// take takes of what check found to be left, and tells g what remains.
func (e *entry) take(now time.Time, at time.Duration, left room, g *Grant) {
	if e.rule.requests.N > 0 {
		e.requests.AllowN(now, 1)
	}
	if e.rule.tokens.N > 0 {
		e.tokens.take(at, g.tokens, e.rule.tokens)
	}
	g.tell(e.rule, left, e.open)
}

// holds reports whether two bounds turned out to be one count, as those of
// callers that share one.
func (g *Grant) holds(e *entry) bool {
	for _, h := range g.held[:g.n] {
		if h == e {
			return true
		}
	}
	return false
}

// settle is Grant.Settle. It reads the clock only where tokens are limited.
func (l *Local) settle(g *Grant, tokens int) {
	set := g.shards()
	l.lock(set)
	defer l.unlock(set)
	var now time.Time
	for _, e := range g.held[:g.n] {
		e.open--
		if e.rule.tokens.N == 0 || g.place {
			continue
		}
		if now.IsZero() {
			now = l.tick(set)
		}
		e.tokens.settle(now.Sub(l.start), g.tokens, tokens, e.rule.tokens)
	}
}

// more is Grant.More.
func (l *Local) more(g *Grant, tokens int, how reserve) error {
	set := g.shards()
	l.lock(set)
	defer l.unlock(set)
	at := l.tick(set).Sub(l.start)
	var worst verdict
	for _, e := range g.held[:g.n] {
		if v := e.rule.lacks(e.tokens.peek(at, e.rule.tokens), tokens, g.tokens+tokens); v.kind != 0 {
			worst.add(v)
		}
	}
	if worst.kind != 0 {
		l.shards[g.held[0].shard].refused++
		return worst.exceeded(g.tokens + tokens)
	}
	if how == never {
		return nil
	}
	for _, e := range g.held[:g.n] {
		if r := e.rule; r.tokens.N > 0 {
			e.tokens.take(at, tokens, r.tokens)
			g.report(r, Tokens, e.tokens.peek(at, r.tokens))
		}
	}
	g.tokens += tokens
	return nil
}

// reserve is whether more takes what it finds.
type reserve uint8

const (
	ifThere reserve = iota
	never           // it only looks
)

// cancel is Grant.Cancel.
func (l *Local) cancel(g *Grant) {
	set := g.shards()
	l.lock(set)
	defer l.unlock(set)
	now := l.tick(set)
	for _, e := range g.held[:g.n] {
		e.open--
		if g.place {
			continue
		}
		if e.rule.tokens.N > 0 {
			e.tokens.settle(now.Sub(l.start), g.tokens, 0, e.rule.tokens)
		}
		if e.requests != nil {
			e.requests.AllowN(now, -1) // it never holds more than its burst
		}
	}
}

// shards is the set of those whose entries g holds.
func (g *Grant) shards() (set uint64) {
	for _, e := range g.held[:g.n] {
		set |= 1 << e.shard
	}
	return set
}

// entry returns the count of b, made if necessary.
func (l *Local) entry(h uint64, b bound, now time.Time) *entry {
	s, at := &l.shards[shardOf(h)], now.Sub(l.start)
	e := s.find(h, b)
	if e == nil {
		e = l.insert(h, b, now)
	} else if !e.used {
		e.used = true // written only then: most lines stay clean
	}
	if e.rule != b.rule {
		e.adopt(b.rule, now, at)
	}
	return e
}

// insert makes the count of b, or returns the shared one if there is no room.
func (l *Local) insert(h uint64, b bound, now time.Time) *entry {
	n := uint8(shardOf(h))
	s, at := &l.shards[n], now.Sub(l.start)
	if s.count > fewEntries || s.over > 0 {
		l.room.Add(int64(s.sweep(sweepNew, now, at)))
		s.shrink(l.hashEntry)
	}
	full := !l.reserve()
	if full {
		l.room.Add(int64(s.sweep(sweepLimit, now, at)))
		l.sweepNext(now, at)
		full = !l.reserve()
	}
	if full && b.scope == All { // all callers share this one anyway, and there is one for each rule
		l.room.Add(-1)
		full = false
	}
	var common *entry
	if full || s.over > 0 {
		c := bound{b.rule, b.scope | overflow, ""}
		ch := l.hash(c.rule, c.scope, c.key)
		common = s.find(ch, c)
		if full && common == nil {
			common = newEntry(c, n)
			s.add(ch, common, l.hashEntry)
		}
	}
	if full {
		return common
	}
	e := newEntry(b, n)
	if common != nil {
		if common.rule != b.rule {
			common.adopt(b.rule, now, at)
		}
		e.inherit(common, now)
	}
	s.add(h, e, l.hashEntry)
	return e
}

// sweepNext makes room in one other shard, each time the next: it may hold idle
// entries that nobody comes by to drop. Waiting for its lock could be a deadlock.
func (l *Local) sweepNext(now time.Time, at time.Duration) {
	s := &l.shards[l.next.Add(1)%shards]
	if s.mu.TryLock() {
		defer s.mu.Unlock()
		l.room.Add(int64(s.sweep(sweepLimit, now, at)))
	}
}

// reserve takes room for one count, if there is any.
func (l *Local) reserve() bool {
	if l.room.Add(-1) >= 0 {
		return true
	}
	l.room.Add(1)
	return false
}

// lock locks the shards of set, always in the same order.
func (l *Local) lock(set uint64) {
	for rest := set; rest != 0; rest &= rest - 1 {
		l.shards[bits.TrailingZeros64(rest)].mu.Lock()
	}
}

// tick returns the time for the shards of set, which are locked. For a shard it
// never goes backwards: x/time/rate would count the time in between twice.
func (l *Local) tick(set uint64) time.Time {
	now := l.now()
	for rest := set; rest != 0; rest &= rest - 1 {
		if s := &l.shards[bits.TrailingZeros64(rest)]; now.Before(s.last) {
			now = s.last
		}
	}
	for rest := set; rest != 0; rest &= rest - 1 {
		l.shards[bits.TrailingZeros64(rest)].last = now
	}
	return now
}

func (l *Local) unlock(set uint64) {
	for rest := set; rest != 0; rest &= rest - 1 {
		l.shards[bits.TrailingZeros64(rest)].mu.Unlock()
	}
}

// hash is seeded afresh for each Local: clients choose some of the keys.
func (l *Local) hash(r *Rule, scope Scope, key string) uint64 {
	h := maphash.String(l.seed, key) ^ (r.seed + uint64(scope))
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>32
}

func (l *Local) hashEntry(e *entry) uint64 { return l.hash(e.rule, e.scope, e.key) }

// shardOf uses the highest bits, since the chains use the lowest.
func shardOf(h uint64) int { return int(h >> 58) }

// Stats are counts for metrics.
type Stats struct {
	Keys    int    // counts that are kept
	Shared  int    // how many of them callers share for want of room
	Refused uint64 // refusals since the start
}

// Stats returns the counts of now. It locks the shards one after the other.
func (l *Local) Stats() Stats {
	var t Stats
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		t.Keys += s.count
		t.Shared += s.over
		t.Refused += s.refused
		s.mu.Unlock()
	}
	return t
}
