package backend

import (
	"math/rand/v2"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// FirstVersion returns the version of a new conversation, which each change makes larger. It
// is chosen at random among so many that one which is made anew under an old id begins at
// none that the old one had.
func FirstVersion() int64 { return 1<<32 + rand.Int64N(1<<61) }

// Inside finds out which messages are within a window, the newest one first. One
// goroutine uses it.
type Inside struct {
	window store.Window
	n      int
	bytes  int
	tail   bool // of ViewAgain: no question was seen yet
	over   bool
}

// Seen says what becomes of a message.
type Seen uint8

// What becomes of a message.
const (
	Shown  Seen = iota
	Hidden      // the view leaves it out
	Ends        // neither it nor any older one is within the window
)

// NewInside returns an Inside that has seen no message.
func NewInside(w store.Window) Inside { return Inside{window: w, tail: w.View == store.ViewAgain} }

// Over reports whether a message was seen that is not within the window.
func (w *Inside) Over() bool { return w.over }

// Cut notes that there is a message which was left out before it came here, since it is too
// heavy.
func (w *Inside) Cut() { w.over = true }

// Sees says what becomes of m, the next older message. It keeps nothing of it.
func (w *Inside) Sees(m *store.Message) Seen {
	switch {
	case w.tail:
		w.tail = m.Role == translate.RoleAssistant
		return Shown
	case w.window.View == store.ViewPlain && !m.Plain(), w.window.View != store.ViewAll && m.Mark != store.MarkNone:
		return Hidden
	case w.window.Messages > 0 && w.n >= w.window.Messages:
		w.over = true
		return Ends
	}
	if w.window.Bytes > 0 {
		if w.bytes += m.Weight(); w.n > 0 && w.bytes > w.window.Bytes {
			w.over = true
			return Ends
		}
	}
	w.n++
	return Shown
}

// Begins returns how many system messages msgs begins with.
func Begins(msgs []store.Message) (n int) {
	for n < len(msgs) && msgs[n].Role == translate.RoleSystem {
		n++
	}
	return n
}
