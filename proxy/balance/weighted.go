package balance

import (
	"container/heap"
	"sync"
)

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

// Over implements [Policy].
func (p *weighted) Over(ts []*Target) Drawer {
	d := &dealer{turns: make([]turn, 0, len(ts))}
	for i, t := range ts {
		d.turns = append(d.turns, turn{index: i, weight: int64(t.Weight), at: 1})
	}
	heap.Init(d)
	return d
}

// dealer deals requests out among many in time that grows with the logarithm of their
// number: in each round every target has as many turns as its weight, the first of
// them half a gap after the beginning of the round. So it too gives every target
// exactly its own in each row of as many requests as the weights come to. Who is not
// usable loses the turn.
type dealer struct {
	mu    sync.Mutex
	turns []turn // a heap: the next one first
}

// turn is when a target is next: in a round, at at/(2*weight) of it; at is odd.
type turn struct {
	index      int
	weight, at int64
	round      int64
}

// Draw implements [Drawer].
func (d *dealer) Draw(_ uint64, look Look) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range draws {
		next := &d.turns[0]
		i := next.index
		if next.at += 2; next.at > 2*next.weight {
			next.at, next.round = 1, next.round+1
		}
		heap.Fix(d, 0)
		if look.Usable(i) {
			return i
		}
	}
	return -1
}

// Len implements [heap.Interface].
func (d *dealer) Len() int { return len(d.turns) }

// Less implements [heap.Interface]. Weights are at most 840 million, so that the
// products are exact.
func (d *dealer) Less(i, j int) bool {
	a, b := &d.turns[i], &d.turns[j]
	if a.round != b.round {
		return a.round < b.round
	}
	if x, y := a.at*b.weight, b.at*a.weight; x != y {
		return x < y
	}
	return a.index < b.index
}

// Swap implements [heap.Interface].
func (d *dealer) Swap(i, j int) { d.turns[i], d.turns[j] = d.turns[j], d.turns[i] }

// Push implements [heap.Interface]. The targets are always the same.
func (d *dealer) Push(any) { panic("BUG: a target was added") }

// Pop implements [heap.Interface]. The targets are always the same.
func (d *dealer) Pop() any { panic("BUG: a target was taken away") }
