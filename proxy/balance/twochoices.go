package balance

import "time"

// twoChoices draws two targets of different channels by weight and takes the better one:
// the power of two choices (Mitzenmacher 2001). The less loaded one is better; of two that
// differ in speed it is the one that would be done with what it has, and this request,
// earlier. While nothing is in flight and all are about as fast the first draw wins, so
// that the shares follow the weights. A slow target that was drawn first still gets one
// request in trial, which tells when it has become fast.
type twoChoices struct{ chance Chance }

// trial is one part of the requests that a slow target would get if it were not slow.
const trial = 32

// Pick implements [Policy] in time linear in len(ts).
func (p twoChoices) Pick(ts []*Target, _ uint64) int {
	if len(ts) == 1 {
		return 0
	}
	var total int64
	for _, t := range ts {
		total += int64(t.Weight)
	}
	a := p.draw(ts, total, nil)
	for _, t := range ts {
		if ts[a].with(t) {
			total -= int64(t.Weight)
		}
	}
	if total == 0 {
		return p.ofOne(ts, a)
	}
	return p.better(ts, a, p.draw(ts, total, ts[a]))
}

// ofOne chooses among ts where all are of the channel of a, which was drawn.
func (p twoChoices) ofOne(ts []*Target, a int) int {
	b := int(p.chance(int64(len(ts) - 1)))
	if b >= a {
		b++
	}
	return p.better(ts, a, b)
}

// What is no difference in speed.
const (
	quick = 10 * time.Millisecond // below that everybody is equally fast
	apart = 2                     // times as slow is slower
)

// better returns which of a and b is the less loaded for its weight, or the sooner
// done where one is much slower than the other; a if neither, or if it is to be tried.
func (p twoChoices) better(ts []*Target, a, b int) int {
	if fa, fb := ts[a].first(), ts[b].first(); min(fa, fb) > 0 && max(fa, fb) > apart*min(fa, fb) {
		if fa*ts[a].queue() > fb*ts[b].queue() && (fa < fb || p.chance(trial) > 0) {
			return b
		}
		return a
	}
	// load/weight compared without division: a's load per weight above b's.
	la, lb := int64(ts[a].InFlight.Load()), int64(ts[b].InFlight.Load())
	if la*int64(ts[b].Weight) > lb*int64(ts[a].Weight) {
		return b
	}
	return a
}

// first is how long t takes to its first content, at least quick; 0: not known.
func (t *Target) first() float64 {
	if t.First == nil {
		return 0
	}
	d := t.First.Load()
	if d == 0 {
		return 0
	}
	return float64(max(d, int64(quick)))
}

// queue is what t has in flight with one more, for its weight.
func (t *Target) queue() float64 { return float64(t.InFlight.Load()+1) / float64(t.Weight) }

// with reports whether t and o are of one channel.
func (t *Target) with(o *Target) bool { return t == o || t.Channel != 0 && t.Channel == o.Channel }

// draw returns the index of one by weight, of those that are not of the channel of but,
// which may be nil; total is the weight of these.
func (p twoChoices) draw(ts []*Target, total int64, but *Target) int {
	at, last := p.chance(total), 0
	for i, t := range ts {
		if but != nil && but.with(t) {
			continue
		}
		if last = i; at < int64(t.Weight) {
			break
		}
		at -= int64(t.Weight)
	}
	return last
}

// Over implements [Policy].
func (p twoChoices) Over(ts []*Target) Drawer { return &pairs{newLottery(p.chance, ts)} }

// pairs is the power of two choices among many.
type pairs struct{ lottery }

// Draw implements [Drawer].
func (p *pairs) Draw(_ uint64, look Look) int {
	a := p.usable(look)
	if a < 0 {
		return -1
	}
	low, high := p.channel(a)
	for range draws {
		b := p.drawBut(low, high)
		if b < 0 {
			return -1 // all are of one channel
		}
		if look.Usable(b) {
			return twoChoices{p.chance}.better(p.ts, a, b)
		}
	}
	return -1
}
