package limiter

import (
	"cmp"
	"slices"
	"time"
)

// Use is how one limit stands for one of those that it counts.
type Use struct {
	State
	Scope Scope
	// Key is whom it counts, see [Scope]; where that had more than 64 bytes, its SHA-256. It is
	// empty for a count that several share for want of room.
	Key  string
	Used float64 // of the limit; more than it after a debt
}

// Share is the part of the limit that is used, of 1.
func (u *Use) Share() float64 { return u.Used / float64(max(u.Limit, 1)) }

// uses appends how the limits of r stand for b with left, while open questions run.
func (r *Rule) uses(all []Use, b bound, left room, open int32) []Use {
	add := func(kind Kind, left float64) {
		s := r.state(kind, left)
		all = append(all, Use{State: s, Scope: b.scope &^ overflow, Key: b.key, Used: max(float64(s.Limit)-left, 0)})
	}
	if r.requests.N > 0 {
		add(Requests, left.requests)
	}
	if r.tokens.N > 0 {
		add(Tokens, left.tokens)
	}
	if r.concurrent > 0 {
		add(Concurrent, float64(r.concurrent-open))
	}
	return all
}

// left is what is left of e.
func (e *entry) left(now time.Time, at time.Duration) (left room) {
	if e.requests != nil {
		left.requests = e.requests.TokensAt(now)
	}
	if e.rule.tokens.N > 0 {
		left.tokens = e.tokens.peek(at, e.rule.tokens)
	}
	return left
}

// Uses returns the limits of which the largest parts are used, at most so many, the most used
// first. It locks one shard after the other, and takes nothing.
func (l *Local) Uses(most int) []Use {
	var all []Use
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		now := l.tick(1 << i)
		at := now.Sub(l.start)
		for _, e := range s.chains {
			for ; e != nil; e = e.next {
				if !e.idle(now, at) {
					all = e.rule.uses(all, bound{e.rule, e.scope, e.key}, e.left(now, at), e.open)
				}
			}
		}
		s.mu.Unlock()
		if len(all) > 4*most+shards {
			all = mostUsed(all, most)
		}
	}
	return mostUsed(all, most)
}

// mostUsed are those of all that are used, the most used first, at most so many.
func mostUsed(all []Use, most int) []Use {
	all = slices.DeleteFunc(all, func(u Use) bool { return u.Used <= 0 })
	slices.SortFunc(all, func(a, b Use) int {
		return cmp.Or(cmp.Compare(b.Share(), a.Share()), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Kind, b.Kind))
	})
	return all[:min(len(all), max(most, 0))]
}

// Foresee returns how each limit of s stands, and why s would be refused now; nil: it would be
// admitted. It takes nothing, counts no refusal and keeps nothing of s.
func (l *Local) Foresee(s Subject) (all []Use, refusal *Exceeded) {
	if s.n == 0 || s.n > MaxBounds {
		return nil, nil
	}
	var hashes [MaxBounds]uint64
	set := l.locate(&s, &hashes)
	l.lock(set)
	defer l.unlock(set)
	now := l.tick(set)
	at := now.Sub(l.start)
	var worst verdict
	for i := range s.n {
		b := s.bounds[i]
		left, open := room{float64(b.rule.requests.N), float64(b.rule.tokens.N)}, int32(0)
		if e := l.known(hashes[i], b); e != nil {
			if e.rule != b.rule {
				e.adopt(b.rule, now, at)
			}
			left, open = e.left(now, at), e.open
		}
		all = b.rule.uses(all, b, left, open)
		b.rule.judge(left, open+1, max(s.Tokens, 1), &worst)
	}
	if worst.kind == 0 {
		return all, nil
	}
	return all, worst.exceeded(max(s.Tokens, 1))
}

// known is the count of b, or the one that it would share; nil: it would be a new one.
func (l *Local) known(h uint64, b bound) *entry {
	s := &l.shards[shardOf(h)]
	if e := s.find(h, b); e != nil || s.over == 0 {
		return e
	}
	c := bound{b.rule, b.scope | overflow, ""}
	return s.find(l.hash(c.rule, c.scope, c.key), c)
}

// Uses is that of this process, which has counted on beside the others: see [Local.Uses].
func (j *Joint) Uses(most int) []Use { return j.local.Uses(most) }

// Shared reports that nobody else counts.
func (l *Local) Shared() bool { return false }

// Shared reports that other processes count beside this one, whose counts Uses and Foresee tell.
func (j *Joint) Shared() bool { return true }

// Foresee is that of this process, which has counted on beside the others: see
// [Local.Foresee].
func (j *Joint) Foresee(s Subject) ([]Use, *Exceeded) { return j.local.Foresee(s) }
