package proxy

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// spare is how many messages more than the window of a question are read and held, so
// that the next turns and a wider window find them.
const spare = 16

// history returns the messages before the newest one: those that the conversation
// begins with for every model, and behind what was skipped at least the keep newest
// ones, or all if keep is negative, as far as they weigh no more than most. A question that was asked before the conversation
// was deleted or cleared, and comes up after it, has none.
func (g *Gateway) history(ctx context.Context, u *Turn, keep, most int) (msgs []store.Message, skipped int, err error) {
	t := u.thread
	if t.unkept {
		return sent(t.kept.messages), t.kept.gone, nil
	}
	if u.isCut() {
		return nil, 0, nil
	}
	if t.made.Created == 0 {
		return sent(t.made.Messages), 0, nil
	}
	if t.known && t.knownAt == u.cut && t.holds(keep, most) {
		return t.made.Messages, t.made.Skipped, nil
	}
	if _, err := g.read(ctx, u, windowOf(keep, most), store.ViewSent); err != nil {
		return nil, 0, err
	}
	return t.made.Messages, t.made.Skipped, nil
}

// tail returns what history does for a question that is asked again and, whatever their
// marks, all messages from the newest one on that is no answer. It always reads them.
func (g *Gateway) tail(ctx context.Context, u *Turn, keep, most int) (msgs []store.Message, skipped int, err error) {
	t := u.thread
	switch {
	case t.unkept:
		return t.kept.messages, t.kept.gone, nil
	case u.isCut():
		return nil, 0, nil
	case t.made.Created == 0:
		return t.made.Messages, 0, nil
	}
	msgs, err = g.read(ctx, u, windowOf(keep, most), store.ViewAgain)
	return msgs, t.made.Skipped, err
}

// read loads the messages of a view, and holds those of them that models are told.
// There are none where the conversation was cut off meanwhile.
func (g *Gateway) read(ctx context.Context, u *Turn, window store.Window, view store.View) ([]store.Message, error) {
	t := u.thread
	window.View = view
	conv, err := g.store.Load(ctx, t.owner, store.Ref{ID: t.id}, window)
	if errors.Is(err, store.ErrNotFound) {
		if u.isCut() {
			t.made = &store.Conversation{ID: t.id, Owner: t.owner}
			return nil, nil
		}
		// Deleted behind the gateway's back: the next question is to find that out.
		g.threads.cutOff(t)
		return nil, &translate.Error{Code: translate.CodeConversation, Message: "no such conversation"}
	}
	if err != nil {
		return nil, store.Failed(err)
	}
	all := conv.Messages
	conv.Messages = sent(all)
	t.made, t.known, t.knownAt, t.weight = conv, true, u.cut, weigh(conv.Messages)
	g.threads.note(t, 0)
	return all, nil
}

// change is what a turn does to its conversation.
type change struct {
	turn store.Turn
	// replace is how many of the newest messages that models are told they are not told
	// any more, and said what they are told in their place.
	replace int
	said    []store.Message
	again   bool // it answers a question that was answered before
}

// quiet reports whether models are told what they were before.
func (c *change) quiet() bool { return c.replace == 0 && len(c.said) == 0 }

// holds reports whether what is held of t is enough for a question that sees the keep
// newest messages, or all if keep is negative, of which no more than most bytes are read: half of these are.
func (t *Thread) holds(keep, most int) bool {
	c := t.made
	return c.Skipped == 0 || keep >= 0 && len(c.Messages)-c.Head >= keep || t.weight-weigh(c.Messages[:c.Head]) >= most/2
}

// keep stores a turn that ended, and reports whether it did: not where the
// conversation was deleted or cleared since it was asked, which is as if it had been
// stored and removed. What the turn answers is the conversation as history returned it:
// where another process has changed it since, the turn is refused and nothing is
// stored. window is how many messages went before the question; negative: all. most is how
// much of the conversation is read for one, in bytes.
func (g *Gateway) keep(ctx context.Context, u *Turn, c *change, window, most int) (stored bool, err error) {
	t := u.thread
	was := t.version()
	if t.unkept {
		g.threads.addLoose(t, c, window)
		t.answered(was, c)
		return true, nil
	}
	gate := g.threads.gate(t.owner)
	gate.RLock()
	defer gate.RUnlock()
	if u.isCut() {
		return false, nil
	}
	turn := c.turn
	if t.made.Created == 0 {
		head := slices.Clone(t.made.Messages) // they are the front's
		t.made.Messages = sent(head)
		t.weight = weigh(t.made.Messages)
		remark(head, turn.Marks)
		turn.Messages, turn.Marks = append(head[:len(head):len(head)], turn.Messages...), nil
	} else if !t.known || t.knownAt != u.cut {
		return false, changedMeanwhile(store.ErrConflict)
	}
	t.known = false
	err = g.store.Append(ctx, t.made, turn)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil // deleted behind the gateway's back
	case errors.Is(err, store.ErrExists):
		g.threads.lose(t) // another process began it: the next question is to find that
		return false, changedMeanwhile(err)
	case errors.Is(err, store.ErrConflict):
		g.notSole()
		return false, changedMeanwhile(err)
	case err != nil:
		return false, store.Failed(err)
	}
	t.known, t.knownAt = true, u.cut
	if was != 0 && c.quiet() {
		t.quiet(was)
	}
	t.answered(was, c)
	more := t.extend(c)
	t.trim(window, most)
	g.threads.note(t, more)
	return true, nil
}

// notSole notes that somebody else works on the store.
func (g *Gateway) notSole() {
	if g.sole.Swap(false) {
		g.log.Error("another process writes to the store, which only this one should: each conversation is looked at before its turn from now on")
	}
}

// changedMeanwhile refuses an answer to what the conversation is not any more. It was
// given already, but is not acknowledged: whoever asks again is answered to all that
// was said.
func changedMeanwhile(err error) *translate.Error {
	return &translate.Error{Code: translate.CodeUnavailable, Message: "the conversation was changed elsewhere while this was answered, so it is not stored: ask again", Retry: time.Second, Cause: err}
}

// Delete removes the conversation id of c, or all of c's when id is empty, without
// waiting for the turns in them. The answers to what was asked before are still
// given, but not stored; what is asked from now on begins a new conversation
// (rest_iagent.md 2.4). The errors are those of [store.Store].
func (g *Gateway) Delete(ctx context.Context, c *Caller, id string) error {
	gate := g.threads.gate(c.Name)
	gate.Lock()
	defer gate.Unlock()
	if err := g.store.Delete(ctx, c.Name, id); err != nil {
		return err
	}
	for _, t := range g.threads.of(c.Name, id) {
		g.threads.cutOff(t)
	}
	return nil
}

// Clear removes the messages of the conversation id of c, without waiting for the
// turns in it. The answers to what was asked before are still given, but not stored.
// The errors are those of [store.Store].
func (g *Gateway) Clear(ctx context.Context, c *Caller, id string) error {
	gate := g.threads.gate(c.Name)
	gate.Lock()
	defer gate.Unlock()
	if err := g.store.Clear(ctx, c.Name, id, time.Now().UnixMilli()); err != nil {
		return err
	}
	for _, t := range g.threads.of(c.Name, id) {
		g.threads.empty(t)
	}
	return nil
}

// unused are those of ids in which no turn of owner runs or waits.
func (r *threads) unused(owner string, ids []string) (idle []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if t := r.byID[id]; t == nil || t.owner != owner || t.refs == 0 {
			idle = append(idle, id)
		}
	}
	return idle
}

// of returns the conversation id of owner if it is in use or kept, or all of owner's
// that are when id is empty.
func (r *threads) of(owner, id string) (live []*Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id != "" {
		if t := r.byID[id]; t != nil && t.owner == owner && !t.unkept {
			live = append(live, t)
		}
		return live
	}
	for _, t := range r.byID {
		if t.owner == owner && !t.unkept {
			live = append(live, t)
		}
	}
	return live
}

// empty makes that nothing of what was asked in t so far is stored.
func (r *threads) empty(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.cut++
	t.lengths = lengths{sized: true}
	if t.rests {
		r.forget(t)
	}
}

// cutOff is empty for a conversation that is gone: what is asked from now on is not
// asked in t.
func (r *threads) cutOff(t *Thread) {
	r.empty(t)
	r.lose(t)
}

// lose makes that t is not found any more, as long as it is used.
func (r *threads) lose(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(t)
}

// isCut reports whether the conversation was deleted or cleared since u was asked.
func (u *Turn) isCut() bool {
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
	return u.cut != u.thread.cut
}

// ID returns the id of the turn's conversation.
func (u *Turn) ID() string { return u.thread.id }

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

// sentBytes is how long what goes before a question is that sees so many messages, or all
// of them if last is negative, as far as that is known: the messages which the
// conversation begins with, and the newest. Each of those that are not held counts as
// their mean.
func (u *Turn) sentBytes(last int) int {
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
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

// sized reports whether sentBytes knows of all messages.
func (u *Turn) sized() bool {
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
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
	for i := range held {
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

// note brings the registry up to what t holds now. All messages of t are longer than
// before by more.
func (r *threads) note(t *Thread, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.lengths.of(t.made.Messages, t.made.Head, t.made.Skipped, more)
	r.charge(t)
}

// measure notes how long all messages of t are, of which c has those that are read at most.
func (r *threads) measure(t *Thread, c *store.Conversation) {
	var l lengths
	l.of(c.Messages, c.Head, c.Skipped, 0)
	l.guess()
	r.mu.Lock()
	defer r.mu.Unlock()
	t.lengths.total, t.lengths.sized = l.total, true
}

// unmeasure notes that nobody knows how long t is.
func (r *threads) unmeasure(t *Thread) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.lengths.sized = false
}
