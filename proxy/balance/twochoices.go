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
	a, b := p.draw(ts, total), p.draw(ts, total)
	// load/weight compared without division: a's load per weight above b's.
	la, lb := int64(ts[a].InFlight.Load()), int64(ts[b].InFlight.Load())
	if la*int64(ts[b].Weight) > lb*int64(ts[a].Weight) {
		return b
	}
	return a
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
