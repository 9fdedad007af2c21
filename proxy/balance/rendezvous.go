package balance

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// overload is how much more than its share of what is in flight a target may have
// before the next one in a key's order is taken: five quarters, and one request.
const overloadNum, overloadDen = 5, 4

// rendezvous takes for each key always the same target, as long as that is there
// and not overloaded: the highest score by weight (weighted rendezvous hashing).
// When targets come or go only the keys of those move.
type rendezvous struct{}

// Pick implements [Policy] in time linear in len(ts).
func (rendezvous) Pick(ts []*Target, key uint64) int {
	var total, load int64
	for _, t := range ts {
		total += int64(t.Weight)
		load += int64(t.InFlight.Load())
	}
	best, most := -1, 0.0
	for i, t := range ts {
		if overloaded(t, total, load) {
			continue
		}
		if s := score(key, t); best < 0 || s > most {
			best, most = i, s
		}
	}
	return max(best, 0)
}

// overloaded reports whether t has more than its share of load, what all have in
// flight; total is the weight of all. One that is at its share is at most the one that
// is left over.
func overloaded(t *Target, total, load int64) bool {
	return (int64(t.InFlight.Load())-1)*total*overloadDen > (load+1)*int64(t.Weight)*overloadNum
}

// score is -weight/ln(u) for a u of (0, 1) that key and target determine.
func score(key uint64, t *Target) float64 {
	u := (float64(mix(key^mix(t.Seed))>>11) + 0.5) / (1 << 53)
	return -float64(t.Weight) / math.Log(u)
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// most entries of homes, and most targets that an entry can name.
const (
	mostHomes   = 1 << 12
	mostTargets = 1<<16 - 1
)

// Over implements [Policy].
func (rendezvous) Over(ts []*Target) Drawer {
	h := &homes{ts: ts, kept: make([]atomic.Uint64, min(1<<bits.Len(uint(4*len(ts))), mostHomes))}
	for _, t := range ts {
		h.total += int64(t.Weight)
	}
	return h
}

// homes remembers which of many targets the newest keys belong to: to find that out
// takes a score of each. All else is for Pick.
type homes struct {
	ts    []*Target
	total int64
	// kept has for a key, at its lowest bits, the upper 48 ones and one more than the
	// index of its target; their number is a power of two.
	kept []atomic.Uint64
}

// Draw implements [Drawer].
func (h *homes) Draw(key uint64, look Look) int {
	i := h.home(key)
	if i < 0 || !look.Usable(i) || h.overloaded(i) {
		return -1
	}
	return i
}

// home is the target with the highest score for key; -1 where it cannot be kept.
func (h *homes) home(key uint64) int {
	if len(h.ts) > mostTargets {
		return -1
	}
	mixed := mix(key)
	entry, upper := &h.kept[mixed%uint64(len(h.kept))], mixed&^mostTargets
	if e := entry.Load(); e&mostTargets != 0 && e&^mostTargets == upper {
		return int(e&mostTargets) - 1
	}
	best, most := 0, 0.0
	for i, t := range h.ts {
		if s := score(key, t); i == 0 || s > most {
			best, most = i, s
		}
	}
	entry.Store(upper | uint64(best+1))
	return best
}

// overloaded reports whether the target at i has more than its share of what is in
// flight, in which case all have to be compared.
func (h *homes) overloaded(i int) bool {
	if h.ts[i].InFlight.Load() <= 1 {
		return false // the request that it has may be the only one
	}
	var load int64
	for _, t := range h.ts {
		load += int64(t.InFlight.Load())
	}
	return overloaded(h.ts[i], h.total, load)
}
