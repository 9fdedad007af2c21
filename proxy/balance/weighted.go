package balance

import "sync"

// weighted deals requests out by weight, without chance and whatever the load: in
// each row of as many requests as the weights come to, every target gets exactly
// its own, spread evenly (smooth weighted round robin, as nginx has it).
type weighted struct {
	mu     sync.Mutex
	credit map[*Target]int64
}

// Pick implements [Policy] in time linear in len(ts).
func (p *weighted) Pick(ts []*Target, _ uint64) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.credit == nil {
		p.credit = make(map[*Target]int64, len(ts))
	}
	best, most, total := 0, int64(0), int64(0)
	for i, t := range ts {
		w := int64(t.Weight)
		now := p.credit[t] + w
		p.credit[t] = now
		total += w
		if i == 0 || now > most {
			best, most = i, now
		}
	}
	p.credit[ts[best]] = most - total
	return best
}
