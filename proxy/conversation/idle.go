package conversation

import "github.com/dragoman-gateway/dragoman/store"

// Bounds of the conversations that are held in memory, used or not. What is used is
// never let go of: its messages lie in running exchanges anyway.
const (
	idleThreads = 10_000
	heldBytes   = 16 << 20
	parkedMost  = heldBytes / 16 // of the messages of one
	// threadWeight is about what one takes beside its texts and messages.
	threadWeight = 1024
)

// idleList are the threads that are kept after their last turn, so that the next
// question finds what it needs of what was said without reading it. The registry's
// lock guards them.
type idleList struct {
	newest, oldest *Thread
	n              int
}

// lay keeps t, whose last turn is over, if it knows what the store does and was found by
// what names it. It reports whether it did. r.mu is held.
func (r *Registry) park(t *Thread) bool {
	if t.ephemeral || !t.loaded || t.loadedAt != t.generation || t.conv.Created == 0 || t.weight > parkedMost || r.byID[t.id] != t || !t.named() {
		return false
	}
	r.idle.add(t)
	r.fit()
	return t.parked
}

// fit lets go of those that rested longest until the others are within the bounds.
// r.mu is held.
func (r *Registry) fit() {
	for r.idle.oldest != nil && (r.idle.n > idleThreads || r.held > heldBytes) {
		r.forget(r.idle.oldest)
	}
}

// charge counts t with what it holds now. r.mu is held.
func (r *Registry) charge(t *Thread) {
	if t.ended {
		return // an answer goes on without its client
	}
	more := t.bytes() - t.charged
	t.charged += more
	if r.held += more; t.ephemeral {
		r.loose += more
	}
	r.fit()
}

// bytes is about how much memory t takes, its strings included.
func (t *Thread) bytes() int {
	n := threadWeight + len(t.id) + len(t.owner) + len(t.key.key) + 4*cap(t.lengths.sizes)
	if t.ephemeral {
		return n + t.buffer.weight
	}
	c := t.conv
	return n + t.weight + len(c.ID) + len(c.Key) + len(c.User) + len(c.Group) + len(c.Name) + len(c.Model)
}

// named reports whether the conversation is the one that its key always finds: one
// that was found as the latest of its user may not be that for long.
func (t *Thread) named() bool {
	return t.key.key == t.conv.Key && t.key.key != "" || t.key.num == t.conv.Num && t.key.num != 0 || t.key == (threadKey{})
}

func (l *idleList) add(t *Thread) {
	t.parked = true
	if t.older = l.newest; t.older != nil {
		t.older.newer = t
	} else {
		l.oldest = t
	}
	l.newest = t
	l.n++
}

// remove takes t out, if it is there.
func (l *idleList) remove(t *Thread) {
	if !t.parked {
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
	t.parked, t.newer, t.older = false, nil, nil
}

func weigh(messages []store.Message) (n int) {
	for i := range messages {
		n += messages[i].Weight()
	}
	return n
}
