package channel

import (
	"sync"
	"sync/atomic"
)

// Board has a mark for each configured channel, so that whoever looks at a thousand of them
// again and again leaves the records of those alone on which nothing has happened. Its zero
// value is empty. It is safe for concurrent use.
type Board struct {
	looks atomic.Uint32 // how many there were; it may come round

	mu   sync.Mutex
	of   map[string]*Mark // by the channel's id, for as long as the process lives
	free []Mark
}

// Mark is at which look something happened on one channel last. Those of a board lie side by
// side. nil notes nothing.
type Mark struct {
	board *Board
	at    atomic.Uint32
}

// At is the mark of the channel id, the same in every plan.
func (b *Board) At(id string) *Mark {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[string]*Mark{}
	}
	m := b.of[id]
	if m == nil {
		if len(b.free) == 0 {
			b.free = make([]Mark, 256)
		}
		m, b.free = &b.free[0], b.free[1:]
		m.board = b
		b.of[id] = m
	}
	return m
}

// Look begins a look, and returns its number. A change that was noted before is seen by it
// ([Mark.Since]); one that is noted later is seen by the next.
func (b *Board) Look() uint32 { return b.looks.Add(1) }

// Note notes that something has happened on the channel: call it afterwards.
func (m *Mark) Note() {
	if m == nil {
		return
	}
	// A look that begins in between may have passed the mark already.
	for now := m.board.looks.Load(); m.at.Load() != now; now = m.board.looks.Load() {
		m.at.Store(now)
	}
}

// Since reports whether anything was noted since the look with that number began.
func (m *Mark) Since(look uint32) bool { return int32(m.at.Load()-look) >= 0 }
