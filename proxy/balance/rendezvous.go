package balance

import "math"

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
		// One that is at its share is at most the one that is left over.
		if (int64(t.InFlight.Load())-1)*total*overloadDen > (load+1)*int64(t.Weight)*overloadNum {
			continue
		}
		if s := score(key, t); best < 0 || s > most {
			best, most = i, s
		}
	}
	return max(best, 0)
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
