package conversation

import (
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Change is what a turn does to its conversation.
type Change struct {
	Turn store.Turn
	// Replace is how many of the newest messages that models are told they are not told
	// any more, and Said what they are told in their place.
	Replace int
	Said    []store.Message
	Again   bool // it answers a question that was answered before
}

// quiet reports whether models are told what they were before.
func (c *Change) quiet() bool { return c.Replace == 0 && len(c.Said) == 0 }

// Edit is one change to a conversation between two turns. Exactly one of its
// fields is set.
type Edit struct {
	Insert []store.Message // go before everything that was said; At is set
	Set    *SetText
	Remove *int // index of a message, from 0
}

// SetText gives message Index, from 0, a new text.
type SetText struct {
	Index int
	Text  string
}

// Apply makes the change to a conversation that is not stored, and returns it.
func (e Edit) Apply(msgs []store.Message) []store.Message {
	switch {
	case e.Set != nil:
		if e.Set.Index >= 0 && e.Set.Index < len(msgs) {
			msgs[e.Set.Index].Parts = []translate.Part{{Kind: translate.PartText, Text: e.Set.Text}}
		}
	case e.Remove != nil:
		if i := *e.Remove; i >= 0 && i < len(msgs) {
			msgs = store.Without(slices.Clone(msgs), i)
		}
	default:
		msgs = append(dated(e.Insert, time.Now().UnixMilli()), msgs...)
	}
	return msgs
}

func dated(msgs []store.Message, now int64) []store.Message {
	out := slices.Clone(msgs)
	for i := range out {
		out[i].At = now
	}
	return out
}
