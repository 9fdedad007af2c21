package balance

// twoChoices draws two targets by weight and takes the less loaded one: the
// power of two choices (Mitzenmacher 2001). While nothing is in flight the
// first draw wins, so that the shares follow the weights.
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
	return lighter(ts, p.draw(ts, total), p.draw(ts, total))
}

// lighter returns which of a and b is the less loaded for its weight; a if neither.
func lighter(ts []*Target, a, b int) int {
	// load/weight compared without division: a's load per weight above b's.
	la, lb := int64(ts[a].InFlight.Load()), int64(ts[b].InFlight.Load())
	if la*int64(ts[b].Weight) > lb*int64(ts[a].Weight) {
		return b
	}
	return a
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
	b := p.usable(look)
	if b < 0 {
		return -1
	}
	return lighter(p.ts, a, b)
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
