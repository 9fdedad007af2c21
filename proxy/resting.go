package proxy

import (
	"github.com/dragoman-gateway/dragoman/store"
)

// Bounds of the conversations that are held in memory, used or not. What is used is
// never let go of: its messages lie in running exchanges anyway.
const (
	restingThreads = 10_000
	restingBytes   = 16 << 20
	restingMost    = restingBytes / 16 // of the messages of one
	// threadWeight is about what one takes beside its texts and messages.
	threadWeight = 1024
)

// resting are the threads that are kept after their last turn, so that the next
// question finds what it needs of what was said without reading it. The registry's
// lock guards them.
type resting struct {
	newest, oldest *Thread
	n              int
}

// lay keeps t, whose last turn is over, if it knows what the store does and was found by
// what names it. It reports whether it did. r.mu is held.
func (r *threads) lay(t *Thread) bool {
	if t.unkept || !t.known || t.knownAt != t.cut || t.made.Created == 0 || t.weight > restingMost || r.byID[t.id] != t || !t.named() {
		return false
	}
	r.rest.add(t)
	r.fit()
	return t.rests
}

// fit lets go of those that rested longest until the others are within the bounds.
// r.mu is held.
func (r *threads) fit() {
	for r.rest.oldest != nil && (r.rest.n > restingThreads || r.held > restingBytes) {
		r.forget(r.rest.oldest)
	}
}

// charge counts t with what it holds now. r.mu is held.
func (r *threads) charge(t *Thread) {
	if t.ended {
		return // an answer goes on without its client
	}
	more := t.bytes() - t.charged
	t.charged += more
	if r.held += more; t.unkept {
		r.loose += more
	}
	r.fit()
}

// bytes is about how much memory t takes, its strings included.
func (t *Thread) bytes() int {
	n := threadWeight + len(t.id) + len(t.owner) + len(t.key.key) + 4*cap(t.lengths.sizes)
	if t.unkept {
		return n + t.kept.weight
	}
	c := t.made
	return n + t.weight + len(c.ID) + len(c.Key) + len(c.User) + len(c.Group) + len(c.Name) + len(c.Model)
}

// named reports whether the conversation is the one that its key always finds: one
// that was found as the latest of its user may not be that for long.
func (t *Thread) named() bool {
	return t.key.key == t.made.Key && t.key.key != "" || t.key.num == t.made.Num && t.key.num != 0 || t.key == (threadKey{})
}

func (l *resting) add(t *Thread) {
	t.rests = true
	if t.older = l.newest; t.older != nil {
		t.older.newer = t
	} else {
		l.oldest = t
	}
	l.newest = t
	l.n++
}

// remove takes t out, if it is there.
func (l *resting) remove(t *Thread) {
	if !t.rests {
		return
	}
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		l.newest = t.older
	}
	if t.older != nil {
		t.older.newer = t.newer
	} else {
		l.oldest = t.newer
	}
	l.n--
	t.rests, t.newer, t.older = false, nil, nil
}

func weigh(messages []store.Message) (n int) {
	for i := range messages {
		n += messages[i].Weight()
	}
	return n
}

// extend does to what is known of t what the store has done, and returns by how much t
// is longer, see lengths.
func (t *Thread) extend(made *change) (more int) {
	c := t.made
	left := max(0, len(c.Messages)-made.replace)
	gone := c.Messages[left:]
	t.weight += weigh(made.said) - weigh(gone)
	more = lengthOf(made.said) - lengthOf(gone)
	clear(gone)
	c.Messages = append(c.Messages[:left], made.said...)
	if c.Skipped == 0 {
		c.Head = leading(c.Messages)
	}
	c.Head = min(c.Head, left)
	return more
}

// trim lets go of what a question with the window of the latest one, for which most bytes
// are read, does not need. It
// does so only where that is half of what is held, so that a turn costs as much as it is
// long; what one question needs and weighs too much is read again for the next.
func (t *Thread) trim(window, most int) {
	c := t.made
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
	if newest := len(c.Messages) - c.Head; window >= 0 && t.weight > restingMost && newest > window+2 {
		t.drop(newest - window - 2)
	}
}

// drop lets go of the n oldest messages behind the head.
func (t *Thread) drop(n int) {
	c := t.made
	kept := make([]store.Message, 0, len(c.Messages)-n+2*spare)
	kept = append(kept, c.Messages[:c.Head]...)
	c.Messages = append(kept, c.Messages[c.Head+n:]...)
	c.Skipped += n
	t.weight = weigh(c.Messages)
}
