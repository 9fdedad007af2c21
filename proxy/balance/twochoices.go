package balance

import "time"

// twoChoices draws two targets by weight and takes the better one: the power of two
// choices (Mitzenmacher 2001). The less loaded one is better; of two that differ in
// speed it is the one that would be done with what it has, and this request, earlier.
// While nothing is in flight and all are about as fast the first draw wins, so that
// the shares follow the weights. A slow target still gets the requests for which it is
// drawn twice, which tell when it has become fast.
type twoChoices struct{ chance Chance }

// Pick implements [Policy] in time linear in len(ts).
func (p twoChoices) Pick(ts []*Target, _ uint64) int {
	if len(ts) == 1 {
		return 0
	}
	var total int64
	for _, t := range ts {
		total += int64(t.Weight)
	}
	return better(ts, p.draw(ts, total), p.draw(ts, total))
}

// What is no difference in speed.
const (
	quick = 10 * time.Millisecond // below that everybody is equally fast
	apart = 2                     // times as slow is slower
)

// better returns which of a and b is the less loaded for its weight, or the sooner
// done where one is much slower than the other; a if neither.
func better(ts []*Target, a, b int) int {
	if fa, fb := ts[a].first(), ts[b].first(); min(fa, fb) > 0 && max(fa, fb) > apart*min(fa, fb) {
		if fa*ts[a].queue() > fb*ts[b].queue() {
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
	b := p.usable(look)
	if b < 0 {
		return -1
	}
	return better(p.ts, a, b)
}

func (p twoChoices) draw(ts []*Target, total int64) int {
	at := p.chance(total)
	for i, t := range ts {
		if at -= int64(t.Weight); at < 0 {
			return i
		}
	}
	return len(ts) - 1
}
