package proxy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

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

// Edit waits for u's turn, changes the conversation and gives the place back. An
// index that is not there changes nothing and is no error, since clients of such
// calls get no answer anyway. The error is a *translate.Error.
func (g *Gateway) Edit(ctx context.Context, u *Turn, e Edit) error {
	defer u.Done()
	if err := u.Wait(ctx); err != nil {
		return translate.Gone(context.Cause(ctx))
	}
	t := u.thread
	if t.unkept {
		t.kept.edit(e, g.threads.mostLoose())
		g.threads.noteLoose(t)
		return nil
	}
	if t.made.Created == 0 {
		t.made.Messages = e.Apply(t.made.Messages)
		t.weight = weigh(t.made.Messages)
		g.threads.note(t, 0)
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
	known := t.known && t.knownAt == u.cut
	t.known = false // what is held; the next question reads it
	g.threads.unmeasure(t)
	err := g.edit(ctx, editor, t, e, known)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Failed(err)
	}
	return nil
}

// edits is how often an edit is tried while another process changes the conversation
// at the same time.
const edits = 3

// edit makes the change in the store, of the conversation as it is now: of t's version
// if that is known.
func (g *Gateway) edit(ctx context.Context, editor store.Editor, t *Thread, e Edit, known bool) (err error) {
	version, now := t.made.Version, time.Now().UnixMilli()
	for range edits {
		if !known {
			if version, err = g.store.Version(ctx, t.owner, t.id); err != nil {
				return err
			}
		}
		switch {
		case e.Set != nil:
			_, err = editor.SetText(ctx, t.owner, t.id, version, e.Set.Index, e.Set.Text, now)
		case e.Remove != nil:
			_, err = editor.Remove(ctx, t.owner, t.id, version, *e.Remove, now)
		default:
			_, err = editor.Insert(ctx, t.owner, t.id, version, dated(e.Insert, now), now)
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		known = false
		g.notSole()
	}
	return err
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
