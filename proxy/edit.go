package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Edit is one change to a conversation between two turns. Exactly one of its
// fields is set.
type Edit struct {
	Insert []translate.Message // go before everything that was said
	Set    *SetText
	Remove *int // index of a message, from 0
}

// SetText gives message Index, from 0, a new text.
type SetText struct {
	Index int
	Text  string
}

// Edit waits for u's turn, changes the conversation and gives the place back. An
// index that is not there changes nothing and is no error, since clients of such
// calls get no answer anyway. The error is a *translate.Error.
func (g *Gateway) Edit(ctx context.Context, u *Turn, e Edit) error {
	defer u.Done()
	if err := u.Wait(ctx); err != nil {
		return gone(ctx)
	}
	t, now := u.thread, time.Now().UnixMilli()
	t.printed = false
	if t.unkept {
		t.kept = newest(e.Apply(t.kept))
		return nil
	}
	if t.made.Created == 0 {
		t.made.Messages = e.Apply(t.made.Messages)
		return nil
	}
	editor, ok := g.store.(store.Editor)
	if !ok {
		return &translate.Error{Code: translate.CodeInternal, Message: "the conversation store cannot edit"}
	}
	gate := g.threads.gate(t.owner)
	gate.RLock()
	defer gate.RUnlock()
	if u.isCut() {
		return nil
	}
	t.whole = false
	var err error
	switch {
	case e.Set != nil:
		err = editor.SetText(ctx, t.owner, t.id, e.Set.Index, e.Set.Text, now)
	case e.Remove != nil:
		err = editor.Remove(ctx, t.owner, t.id, *e.Remove, now)
	default:
		err = editor.Insert(ctx, t.owner, t.id, dated(e.Insert, now), now)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeFailed(err)
	}
	return nil
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
			msgs = append(msgs[:i:i], msgs[i+1:]...)
		}
	default:
		msgs = append(dated(e.Insert, time.Now().UnixMilli()), msgs...)
	}
	return msgs
}

func dated(msgs []translate.Message, now int64) []store.Message {
	out := make([]store.Message, 0, len(msgs))
	for _, m := range msgs {
		out = append(out, store.Message{Message: m, At: now})
	}
	return out
}
