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

// history returns the messages before the newest one. A question that was asked
// before the conversation was deleted or cleared, and comes up after it, has none.
func (g *Gateway) history(ctx context.Context, u *Turn) ([]store.Message, error) {
	t := u.thread
	if t.unkept {
		return t.kept, nil
	}
	if u.isCut() {
		return nil, nil
	}
	if t.made.Created == 0 || t.whole && t.wholeAt == u.cut {
		return t.made.Messages, nil
	}
	conv, err := g.store.Load(ctx, t.owner, store.Ref{ID: t.id}, 0)
	if errors.Is(err, store.ErrNotFound) {
		if u.isCut() {
			return nil, nil
		}
		// Deleted behind the gateway's back: the next question is to find that out.
		g.threads.cutOff(t)
		return nil, &translate.Error{Code: translate.CodeConversation, Message: "no such conversation"}
	}
	if err != nil {
		return nil, storeFailed(err)
	}
	t.made, t.whole, t.wholeAt, t.weight, t.printed = conv, true, u.cut, weigh(conv.Messages), false
	g.threads.resize(t, conv.Messages)
	return conv.Messages, nil
}

// keep stores a turn that ended, unless the conversation was deleted or cleared
// since it was asked: then it is as if it had been stored and removed.
func (g *Gateway) keep(ctx context.Context, u *Turn, turn store.Turn) error {
	t := u.thread
	if t.unkept {
		t.kept = newest(append(t.kept[:max(0, len(t.kept)-turn.Replace):len(t.kept)], turn.Messages...))
		g.threads.resize(t, t.kept)
		return nil
	}
	gate := g.threads.gate(t.owner)
	gate.RLock()
	defer gate.RUnlock()
	if u.isCut() {
		return nil
	}
	grown, known := turn, t.whole && t.wholeAt == u.cut
	if t.made.Created == 0 {
		known = true
		t.made.Messages, t.weight = slices.Clone(t.made.Messages), weigh(t.made.Messages) // they are the front's
		head := t.made.Messages[:max(0, len(t.made.Messages)-turn.Replace)]
		turn.Messages = append(head[:len(head):len(head)], turn.Messages...)
	}
	t.whole = false
	err := g.store.Append(ctx, t.made, turn)
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted behind the gateway's back
	}
	if err != nil {
		return storeFailed(err)
	}
	if known {
		g.memories.extend(t, &grown)
		t.whole, t.wholeAt = true, u.cut
	}
	g.threads.grow(t, &grown)
	return nil
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
	t.sizes = nil
	if t.rests {
		r.forget(t)
	}
}

// cutOff is empty for a conversation that is gone: what is asked from now on is not
// asked in t.
func (r *threads) cutOff(t *Thread) {
	r.empty(t)
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

func storeFailed(err error) *translate.Error {
	var known *translate.Error
	if errors.As(err, &known) {
		return known
	}
	return &translate.Error{Code: translate.CodeInternal, Message: "the conversation store failed", Cause: err}
}

// sentBytes is how long the newest messages of the conversation are as a model sees
// them, as far as that is known: so many messages, or all of them if last is negative.
func (u *Turn) sentBytes(last int) (n int) {
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
	sizes := u.thread.sizes
	if last >= 0 && last < len(sizes) {
		sizes = sizes[len(sizes)-last:]
	}
	for _, size := range sizes {
		n += int(size)
	}
	return n
}

func sizesOf(messages []store.Message) []int32 {
	sizes := make([]int32, len(messages))
	for i := range messages {
		sizes[i] = sizeOf(&messages[i])
	}
	return sizes
}

func sizeOf(m *store.Message) int32 {
	return int32(min(messageBytes(&m.Message), math.MaxInt32))
}

// resize notes that t holds messages.
func (r *threads) resize(t *Thread, messages []store.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.sizes = sizesOf(messages)
}

// grow notes what turn did to the length of t.
func (r *threads) grow(t *Thread, turn *store.Turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.sizes = t.sizes[:max(0, len(t.sizes)-turn.Replace)]
	for i := range turn.Messages {
		t.sizes = append(t.sizes, sizeOf(&turn.Messages[i]))
	}
}
