package embedded

import (
	"math/rand/v2"

	"github.com/dragoman-gateway/dragoman/store"
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
}

func (w *inside) takes(m *store.Message) bool {
	if w.window.Messages > 0 && w.n >= w.window.Messages {
		return false
	}
	if w.window.Bytes > 0 {
		if w.bytes += m.Weight(); w.n > 0 && w.bytes > w.window.Bytes {
			return false
		}
	}
	w.n++
	return true
}
