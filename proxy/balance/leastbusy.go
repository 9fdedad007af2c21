package balance

// leastBusy takes the target with the fewest requests for its weight. Among
// equals it draws by weight.
type leastBusy struct{ chance Chance }

// Pick implements [Policy] in time linear in len(ts).
func (p leastBusy) Pick(ts []*Target, _ uint64) int {
	best, total := 0, int64(0)
	for i, t := range ts {
		w, load := int64(t.Weight), int64(t.InFlight.Load())
		// load/w compared without division, with the best one's.
		ours, theirs := load*int64(ts[best].Weight), int64(ts[best].InFlight.Load())*w
		if i > 0 && ours > theirs {
			continue
		}
		if i == 0 || ours < theirs {
			best, total = i, w
			continue
		}
		// A draw in one pass: the newcomer wins with its share of what was seen.
		if total += w; p.chance(total) < w {
			best = i
		}
	}
	return best
}

// Over implements [Policy].
func (p leastBusy) Over(ts []*Target) Drawer { return &idlers{newLottery(p.chance, ts)} }

// idlers draws one of those that have nothing to do: nobody has less, and among
// equals the weight decides. Where it meets none all have to be compared.
type idlers struct{ lottery }

// Draw implements [Drawer].
func (p *idlers) Draw(_ uint64, look Look) int {
	for range 2 * draws {
		if i := p.draw(); p.ts[i].InFlight.Load() == 0 && look.Usable(i) {
			return i
		}
	}
	return -1
}
