package conversation

import (
	"math"

	"github.com/dragoman-gateway/dragoman/store"
)

// lengths says how long a conversation is as a model sees it, in bytes, as estimates
// count. The registry's lock guards it.
type lengths struct {
	sizes []int32 // of each message that is held, oldest first
	head  int     // how many of these the conversation begins with, for every model
	older int     // messages that are not held
	// total is the length of all messages, as far as it is known, if sized: of a conversation whose owner has
	// limits of tokens or a budget.
	total int
	sized bool
}

// SentLength is how long the messages before a question are that sees last of them, or all
// if last is negative, in bytes as [translate.Message.Length] counts, as far as that is
// known: those which the conversation begins with, and the newest. Each of those that are
// not held counts as their mean.
func (u *Turn) SentLength(last int) int {
	u.registry.mu.Lock()
	defer u.registry.mu.Unlock()
	l := &u.thread.lengths
	head, newest := sum(l.sizes[:l.head]), l.sizes[l.head:]
	if last >= 0 && last <= len(newest) {
		return head + sum(newest[len(newest)-last:])
	}
	held := head + sum(newest)
	older := max(0, l.total-held)
	if more := last - len(newest); last >= 0 && more < l.older {
		older = int(float64(older) / float64(l.older) * float64(more))
	}
	return held + older
}

// measured reports whether SentLength knows of all messages.
func (u *Turn) measured() bool {
	u.registry.mu.Lock()
	defer u.registry.mu.Unlock()
	return u.thread.lengths.sized
}

func sum(sizes []int32) (n int) {
	for _, size := range sizes {
		n += int(size)
	}
	return n
}

func sizeOf(m *store.Message) int32 {
	return int32(min(m.Message.Length(), math.MaxInt32))
}

func lengthOf(messages []store.Message) (n int) {
	for i := range messages {
		n += int(sizeOf(&messages[i]))
	}
	return n
}

// of notes the messages that are held, and that all messages are longer than before by
// more.
func (l *lengths) of(held []store.Message, head, skipped, more int) {
	l.sizes = l.sizes[:0]
	l.grown(held, head, skipped, more)
}

// grown is of where the sizes of the first messages that are held stand already.
func (l *lengths) grown(held []store.Message, head, skipped, more int) {
	for i := len(l.sizes); i < len(held); i++ {
		l.sizes = append(l.sizes, sizeOf(&held[i]))
	}
	l.head, l.older = min(head, len(held)), skipped
	if l.total += more; skipped == 0 {
		l.total, l.sized = sum(l.sizes), true
	}
}

// guess takes each message that is not held to be as long as those that are on average.
func (l *lengths) guess() {
	if l.sized {
		return
	}
	newest := sum(l.sizes[l.head:])
	l.total = sum(l.sizes[:l.head]) + newest
	if n := len(l.sizes) - l.head; n > 0 {
		l.total += int(float64(newest) / float64(n) * float64(l.older))
	}
	l.sized = true
}

// note brings the registry up to what t holds now. The newest messages are new, so many of
// them, and the others are as they were noted, but that the oldest may not be held any more.
// All messages of t are longer than before by more.
func (r *Registry) note(t *Thread, newest, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, c := &t.lengths, t.conv
	known := len(c.Messages) - newest
	if c.Skipped != l.older || known < 0 || known > len(l.sizes) {
		known = 0
	}
	l.sizes = l.sizes[:known]
	l.grown(c.Messages, c.Head, c.Skipped, more)
	r.charge(t)
}

// measure notes how long all messages of t are, of which c has those that are read at most.
func (r *Registry) measure(t *Thread, c *store.Conversation) {
	var l lengths
	l.of(c.Messages, c.Head, c.Skipped, 0)
	l.guess()
	r.mu.Lock()
	defer r.mu.Unlock()
	t.lengths.total, t.lengths.sized = l.total, true
}

// unmeasure notes that nobody knows how long t is.
func (r *Registry) unmeasure(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.lengths.sized = false
}
