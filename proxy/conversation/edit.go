package conversation

import (
	"context"
	"errors"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Edit waits for u's turn, changes the conversation and gives the place back. An
// index that is not there changes nothing and is no error, since clients of such
// calls get no answer anyway. The error is a *translate.Error.
func (u *Turn) Edit(ctx context.Context, e Edit) error {
	defer u.Done()
	if err := u.Wait(ctx); err != nil {
		return translate.Gone(context.Cause(ctx))
	}
	t, r := u.thread, u.registry
	if t.ephemeral {
		t.buffer.edit(e, r.mostLoose())
		r.noteLoose(t)
		return nil
	}
	if t.conv.Created == 0 {
		t.conv.Messages = e.Apply(t.conv.Messages)
		t.weight = weigh(t.conv.Messages)
		r.note(t, len(t.conv.Messages), 0)
		return nil
	}
	editor, ok := r.store.(store.Editor)
	if !ok {
		return &translate.Error{Code: translate.CodeInternal, Message: "the conversation store cannot edit"}
	}
	gate := r.gate(t.owner)
	gate.RLock()
	defer gate.RUnlock()
	if u.stale() {
		return nil
	}
	known := t.loaded && t.loadedAt == u.generation
	t.loaded = false // what is held; the next question reads it
	r.unmeasure(t)
	err := r.edit(ctx, editor, t, e, known)
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
func (r *Registry) edit(ctx context.Context, editor store.Editor, t *Thread, e Edit, known bool) (err error) {
	version, now := t.conv.Version, time.Now().UnixMilli()
	for range edits {
		if !known {
			if version, err = r.store.Version(ctx, t.owner, t.id); err != nil {
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
		r.notSole()
	}
	return err
}
