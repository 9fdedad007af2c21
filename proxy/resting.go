package proxy

import (
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of the stored conversations that are kept in memory while nobody uses them.
const (
	restingThreads = 10_000
	restingBytes   = 32 << 20
	restingMost    = restingBytes / 8 // of one
)

// resting are the threads that are kept after their last turn, so that the next
// question finds what was said without reading the store. Nobody but this process
// changes a store, so it says what the store says: every change goes through the
// gateway, which takes part in it. The registry's lock guards them.
type resting struct {
	newest, oldest *Thread
	n, weight      int
}

// lay keeps t, whose last turn is over, if what is known of it is all that the store
// knows and was found by what names it. It reports whether it did. r.mu is held.
func (r *threads) lay(t *Thread) bool {
	if t.unkept || !t.whole || t.wholeAt != t.cut || t.made.Created == 0 || t.weight > restingMost || r.byID[t.id] != t || !t.named() {
		return false
	}
	r.rest.add(t)
	for r.rest.n > restingThreads || r.rest.weight > restingBytes {
		r.forget(r.rest.oldest)
	}
	return t.rests
}

// named reports whether the conversation is the one that its key always finds: one
// that was found as the latest of its user may not be that for long.
func (t *Thread) named() bool {
	return t.key.key == t.made.Key && t.key.key != "" || t.key.num == t.made.Num && t.key.num != 0 || t.key == (threadKey{})
}

func (l *resting) add(t *Thread) {
	t.rests, t.restingWeight = true, t.weight+messageWeight
	if t.older = l.newest; t.older != nil {
		t.older.newer = t
	} else {
		l.oldest = t
	}
	l.newest = t
	l.n++
	l.weight += t.restingWeight
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
	l.weight -= t.restingWeight
	t.rests, t.newer, t.older = false, nil, nil
}

func weigh(messages []store.Message) (n int) {
	for i := range messages {
		n += weight(&messages[i])
	}
	return n
}

// extend does to what is known of t what the store has done with turn.
func (m *memories) extend(t *Thread, turn *store.Turn) {
	kept := t.made.Messages
	left := max(0, len(kept)-turn.Replace)
	t.weight += weigh(turn.Messages) - weigh(kept[left:])
	t.printed = t.printed && left == len(kept)
	clear(kept[left:])
	t.made.Messages = append(kept[:left], turn.Messages...)
	for i := 0; t.printed && i < len(turn.Messages); i++ {
		t.print = m.said(t.print, []translate.Message{turn.Messages[i].Message})
	}
}

// told continues the fingerprint f with msgs, which are those of u's conversation that
// go before the question. Of most conversations the fingerprint is known already.
func (m *memories) told(u *Turn, f fingerprint, msgs []translate.Message) fingerprint {
	if u == nil || u.thread.unkept || f.n > 0 || len(msgs) != len(u.thread.made.Messages) {
		return m.said(f, msgs)
	}
	t := u.thread
	if !t.printed {
		t.print, t.printed = m.said(fingerprint{}, msgs), true
	}
	if t.print.system != 0 {
		return m.said(f, msgs)
	}
	f.rest, f.n = t.print.rest, t.print.n
	return f
}
