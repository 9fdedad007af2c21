package embedded

import (
	"math/rand/v2"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// firstVersion is that of a new conversation; each change adds one. It is chosen at
// random among so many that one which is made anew under an old id begins at none that
// the old one had.
func firstVersion() int64 { return 1<<32 + rand.Int64N(1<<61) }

// inside finds out which messages are within a window, the newest one first.
type inside struct {
	window store.Window
	n      int
	bytes  int
	tail   bool // of ViewAgain: no question was seen yet
	over   bool // a message was seen that is not within it
}

// seen is what becomes of a message.
type seen uint8

const (
	shown seen = iota
	hidden
	ends // neither it nor any older one is within the window
)

func newInside(w store.Window) inside { return inside{window: w, tail: w.View == store.ViewAgain} }

func (w *inside) sees(m *store.Message) seen {
	switch {
	case w.tail:
		w.tail = m.Role == translate.RoleAssistant
		return shown
	case w.window.View == store.ViewPlain && !m.Plain(), w.window.View != store.ViewAll && m.Mark != store.MarkNone:
		return hidden
	case w.window.Messages > 0 && w.n >= w.window.Messages:
		w.over = true
		return ends
	}
	if w.window.Bytes > 0 {
		if w.bytes += m.Weight(); w.n > 0 && w.bytes > w.window.Bytes {
			w.over = true
			return ends
		}
	}
	w.n++
	return shown
}

// begins is how many system messages msgs begins with.
func begins(msgs []store.Message) (n int) {
	for n < len(msgs) && msgs[n].Role == translate.RoleSystem {
		n++
	}
	return n
}
