package conversation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Keep stores a turn that ended, and reports whether it did: not where the conversation was
// deleted or cleared since it was asked, which is as if the turn had been stored and removed.
// What the turn answers is the conversation as Read returned it: where another process has
// changed it since, the turn is refused and nothing is stored. window is how many messages
// went before the question; negative: all. most is how much of the conversation is read for
// a question, in bytes. The holder of the turn may call it. The error is a *translate.Error.
func (u *Turn) Keep(ctx context.Context, c *Change, window, most int) (stored bool, err error) {
	t, r := u.thread, u.registry
	was := t.version()
	if t.ephemeral {
		r.addLoose(t, c, window)
		t.answered(was, c)
		return true, nil
	}
	gate := r.gate(t.owner)
	gate.RLock()
	defer gate.RUnlock()
	if u.stale() {
		return false, nil
	}
	turn, begins := c.Turn, t.conv.Created == 0
	if begins {
		head := slices.Clone(t.conv.Messages) // they are the front's
		t.conv.Messages = sent(head)
		t.weight = weigh(t.conv.Messages)
		remark(head, turn.Marks)
		turn.Messages, turn.Marks = append(head[:len(head):len(head)], turn.Messages...), nil
	} else if !t.loaded || t.loadedAt != u.generation {
		return false, changedMeanwhile(store.ErrConflict)
	}
	t.loaded = false
	err = r.store.Append(ctx, t.conv, turn)
	switch {
	case errors.Is(err, store.ErrNotFound):
		u.gone = true
		return false, nil // deleted behind the gateway's back
	case errors.Is(err, store.ErrExists):
		r.unlink(t) // another process began it: the next question is to find that
		return false, changedMeanwhile(err)
	case errors.Is(err, store.ErrConflict) && u.emptied(ctx):
		u.gone = true
		return false, nil
	case errors.Is(err, store.ErrConflict):
		r.notSole()
		return false, changedMeanwhile(err)
	case err != nil:
		return false, store.Failed(err)
	}
	t.loaded, t.loadedAt = true, u.generation
	if was != 0 && c.quiet() {
		t.quiet(was)
	}
	t.answered(was, c)
	more := t.extend(c)
	t.trim(window, most)
	newest := len(c.Said)
	if begins {
		newest = len(t.conv.Messages)
	}
	r.note(t, newest, more)
	return true, nil
}

// changedMeanwhile refuses an answer to what the conversation is not any more. It was
// given already, but is not acknowledged: whoever asks again is answered to all that
// was said.
func changedMeanwhile(err error) *translate.Error {
	return &translate.Error{Code: translate.CodeUnavailable, Message: "the conversation was changed elsewhere while this was answered, so it is not stored: ask again", Retry: time.Second, Cause: err}
}
