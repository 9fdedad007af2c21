package conversation

import (
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Thread is one conversation while it is in use: the queue of its turns, and what is held
// of its messages. Turns of one thread run one after the other, in the order in which they
// were enqueued. The zero value is a new conversation for [Registry.Unstored].
type Thread struct {
	id    string
	owner string
	key   threadKey // under which it is also found; zero: none
	// leased is what the leases of its turns are for; tickets is that of the newest one, which
	// the registry's lock guards.
	leased  struct{ id, key string }
	tickets *ticket
	// conv is what the conversation is created as with its first turn, or as it is
	// stored, with as many of its messages as the last turn needed. Only the holder of
	// the turn uses it.
	conv *store.Conversation
	// buffer holds the messages of a conversation that is not stored, if ephemeral.
	buffer    buffer
	ephemeral bool
	ended     bool // it is ephemeral and nobody asks in it any more; the registry's lock guards it
	// loaded says that conv is as the store had it in the generation loadedAt; its
	// messages weigh weight. Only the holder of the turn uses them.
	loaded   bool
	loadedAt uint64
	weight   int
	asked    asked
	// era is the registry's as of when the store was last asked how the conversation is.
	// Whoever finds it resting uses it.
	era     uint64
	quieter quieter
	// generation counts the deletions and clears of the conversation while it was in
	// use. What was asked before the latest of them is not stored. The registry's lock
	// guards it.
	generation uint64

	lengths lengths

	refs  int             // turns that hold or wait
	queue []chan struct{} // those that wait, oldest first
	busy  bool

	parked       bool // nobody uses it: it is among the idle ones
	newer, older *Thread
	charged      int // bytes that it is counted with in the registry; its lock guards it
}

// threadKey is a conversation's key or number with its owner, whose keys and
// numbers are its own.
type threadKey struct {
	owner, key string
	num        int64
}

// extend applies a stored turn to what is held of the conversation, and returns by how
// much t is longer, see lengths.
func (t *Thread) extend(made *Change) (more int) {
	c := t.conv
	left := max(0, len(c.Messages)-made.Replace)
	gone := c.Messages[left:]
	t.weight += weigh(made.Said) - weigh(gone)
	more = lengthOf(made.Said) - lengthOf(gone)
	clear(gone)
	c.Messages = append(c.Messages[:left], made.Said...)
	if c.Skipped == 0 {
		c.Head = leading(c.Messages)
	}
	c.Head = min(c.Head, left)
	return more
}

// trim lets go of the messages that a question with the window of the latest one, for
// which most bytes are read, does not need. It does so only where that is half of what is held, so that a turn costs as much as it is
// long; what one question needs and weighs too much is read again for the next.
func (t *Thread) trim(window, most int) {
	c := t.conv
	if held := t.weight - weigh(c.Messages[:c.Head]); most > 0 && held > 2*most {
		n := 0
		for ; n < len(c.Messages)-c.Head-2 && held > most; n++ {
			held -= c.Messages[c.Head+n].Weight()
		}
		t.drop(n)
	}
	if newest := len(c.Messages) - c.Head; window >= 0 && newest > 2*(window+spare) {
		t.drop(newest - window - spare)
	}
	if newest := len(c.Messages) - c.Head; window >= 0 && t.weight > parkedMost && newest > window+2 {
		t.drop(newest - window - 2)
	}
}

// drop lets go of the n oldest messages behind the head.
func (t *Thread) drop(n int) {
	c := t.conv
	kept := make([]store.Message, 0, len(c.Messages)-n+2*spare)
	kept = append(kept, c.Messages[:c.Head]...)
	c.Messages = append(kept, c.Messages[c.Head+n:]...)
	c.Skipped += n
	t.weight = weigh(c.Messages)
}

// holds reports whether what is held of t is enough for a question that sees the keep
// newest messages, or all if keep is negative, of which no more than most bytes are read: half of these are.
func (t *Thread) holds(keep, most int) bool {
	c := t.conv
	return c.Skipped == 0 || keep >= 0 && len(c.Messages)-c.Head >= keep || t.weight-weigh(c.Messages[:c.Head]) >= most/2
}

// spare is how many messages more than the window of a question are read and held, so
// that the next turns and a wider window find them.
const spare = 16

// leading is how many system messages msgs begins with.
func leading(msgs []store.Message) (n int) {
	for n < len(msgs) && msgs[n].Role == translate.RoleSystem {
		n++
	}
	return n
}

// version names what was said in t up to now; the holder of the turn may ask.
func (t *Thread) version() int64 {
	switch {
	case t.ephemeral:
		return t.buffer.version
	case t.quieter.stored == t.conv.Version:
		return t.quieter.said
	}
	return t.conv.Version
}

// quieter says that what was stored as another version tells models nothing new.
type quieter struct{ stored, said int64 }

// quiet notes that models are told what they were when version was was the latest.
func (t *Thread) quiet(was int64) { t.quieter = quieter{t.conv.Version, was} }

// asked are the versions of a conversation before its newest question and after the
// answer to it. They are zero when they are not known.
type asked struct{ before, after int64 }

// answered notes that c was made to version was of t.
func (t *Thread) answered(was int64, c *Change) {
	if c.quiet() {
		return
	}
	if c.Again && t.asked.after != was {
		t.asked = asked{}
		return
	}
	if !c.Again {
		t.asked.before = was
	}
	t.asked.after = t.version()
}
