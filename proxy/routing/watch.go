package routing

import (
	"sync"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
)

// Watch is one observer of how channels stand, who looks again and again. A look leaves
// channels alone that were at rest the last time and on which nothing has happened since, so
// that a thousand of them cost next to nothing. The zero value has seen nothing. It is safe
// for concurrent use, and belongs to one board of marks.
type Watch struct {
	mu   sync.Mutex
	plan *Plan
	look uint32
	rows []row // of the configured channels of plan, in their order
}

// row is one configured channel.
type row struct {
	mark  *channel.Mark
	keys  []*channel.Channel
	rests bool // nothing about it changes by time alone
}

// Each looks at the configured channels of p, whose marks are on b, that are not at rest or
// were not: look is told the place and the keys of each, one after the other, and says whether
// it rests. It returns how many channels there are, and whether this was the first look at p,
// which leaves none out.
func (w *Watch) Each(p *Plan, b *channel.Board, look func(at int, keys []*channel.Channel) (rests bool)) (channels int, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if first = p != w.plan; first {
		w.plan, w.rows = p, unseen(p)
	}
	before := w.look
	w.look = b.Look()
	for i := range w.rows {
		if r := &w.rows[i]; !r.rests || r.mark.Since(before) {
			r.rests = look(i, r.keys)
		}
	}
	return len(w.rows), first
}

// unseen are the configured channels of p, none of which was looked at.
func unseen(p *Plan) (rows []row) {
	for i := 0; i < len(p.Channels); {
		n := i + 1
		for n < len(p.Channels) && p.Channels[n].ID == p.Channels[i].ID {
			n++
		}
		rows = append(rows, row{mark: p.Channels[i].Mark, keys: p.Channels[i:n]})
		i = n
	}
	return rows
}
