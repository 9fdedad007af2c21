package conversation

import (
	"context"
	"errors"

	"github.com/dragoman-gateway/dragoman/store"
)

// ReadMost bounds what is read of a conversation for one question, in bytes as
// [store.Message.Weight] counts.
const ReadMost = 8 << 20

// Read returns the messages before the newest one that models are told: those that the
// conversation begins with and, behind what was skipped, at least the keep newest ones, or
// all if keep is negative, as far as they weigh no more than most. They are not to be
// changed, and valid until the turn is done. A question that was asked before the
// conversation was deleted or cleared, and comes up after it, has none. Whoever has waited
// for the turn may call it.
func (u *Turn) Read(ctx context.Context, keep, most int) (msgs []store.Message, skipped int, err error) {
	t := u.thread
	if t.ephemeral {
		return sent(t.buffer.messages), t.buffer.gone, nil
	}
	if u.stale() {
		return nil, 0, nil
	}
	if t.conv.Created == 0 {
		return sent(t.conv.Messages), 0, nil
	}
	if t.loaded && t.loadedAt == u.generation && t.holds(keep, most) {
		return t.conv.Messages, t.conv.Skipped, nil
	}
	if _, err := u.load(ctx, windowOf(keep, most), store.ViewSent); err != nil || u.gone {
		return nil, 0, err
	}
	return t.conv.Messages, t.conv.Skipped, nil
}

// ReadAgain returns what Read does for a question that is asked again and, whatever their
// marks, all messages from the newest one on that is no answer. It always reads the store.
func (u *Turn) ReadAgain(ctx context.Context, keep, most int) (msgs []store.Message, skipped int, err error) {
	t := u.thread
	switch {
	case t.ephemeral:
		return t.buffer.messages, t.buffer.gone, nil
	case u.stale():
		return nil, 0, nil
	case t.conv.Created == 0:
		return t.conv.Messages, 0, nil
	}
	msgs, err = u.load(ctx, windowOf(keep, most), store.ViewAgain)
	if u.gone {
		return nil, 0, err
	}
	return msgs, t.conv.Skipped, err
}

// load reads the messages of a view, and holds those of them that models are told.
// There are none where the conversation was deleted meanwhile.
func (u *Turn) load(ctx context.Context, window store.Window, view store.View) ([]store.Message, error) {
	t, r := u.thread, u.registry
	window.View = view
	conv, err := r.store.Load(ctx, t.owner, store.Ref{ID: t.id}, window)
	if errors.Is(err, store.ErrNotFound) {
		if u.stale() {
			t.conv = &store.Conversation{ID: t.id, Owner: t.owner}
			return nil, nil
		}
		if u.there { // another process has deleted it since
			u.gone = true
			return nil, nil
		}
		// Deleted behind the gateway's back: the next question is to find that out.
		r.drop(t)
		return nil, noConversation()
	}
	if err != nil {
		return nil, store.Failed(err)
	}
	all := conv.Messages
	if len(all) == 0 && u.there && conv.Version != u.ticket.lease.Version && u.emptied(ctx) {
		u.gone = true
	}
	conv.Messages = sent(all)
	t.conv, t.loaded, t.loadedAt, t.weight = conv, true, u.generation, weigh(conv.Messages)
	r.note(t, len(t.conv.Messages), 0)
	return all, nil
}

// emptied reports whether another process has cleared the conversation, which had messages when
// it was asked in.
func (u *Turn) emptied(ctx context.Context) bool {
	if u.ticket == nil {
		return false
	}
	conv, err := u.registry.store.Load(ctx, u.thread.owner, store.Ref{ID: u.thread.id}, store.Window{Messages: 1, View: store.ViewAll})
	return err == nil && len(conv.Messages) == 0
}

// windowOf is what is read of a conversation for a question that sees keep messages before
// it, or all if keep is negative, and of which no more than most bytes are of use.
func windowOf(keep, most int) store.Window {
	w := store.Window{Bytes: most}
	if keep >= 0 {
		w.Messages = keep + spare
	}
	return w
}
