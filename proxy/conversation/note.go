package conversation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What a conversation has beside what was said: what its client has on the screen, and
// counts when it names a message by its place. Such entries are marked, and no model is
// told them.

// NoteWait bounds how long the error of a turn waits for its place and for the store.
const NoteWait = 30 * time.Second

// Begin stores the question of a conversation that is new, so that it can be listed and
// read while it is answered: question has it, marked as one that failed, which is what it is
// after a crash. It does nothing where the conversation is not new, lives only in memory, or
// the question is not one message. Whoever has waited for the turn may call it.
func (u *Turn) Begin(ctx context.Context, question store.Turn) error {
	t := u.thread
	if u.begun || t.ephemeral || t.conv.Created != 0 || len(question.Messages) != 1 {
		return nil
	}
	begun := weigh(t.conv.Messages) + weigh(question.Messages)
	stored, err := u.Keep(ctx, &Change{Turn: question}, -1, ReadMost)
	if u.begun = stored; stored {
		u.first = begun
	}
	return err
}

// Listed puts a conversation that was begun where its number finds it. The holder of the
// turn may call it.
func (u *Turn) Listed() { u.registry.number(u.thread) }

// Note is what a client shows for a question that was not answered.
type Note struct {
	Question []store.Message // none: it is there already
	Text     string          // in place of the answer
	Model    string
	Web      bool
}

// ErrUnnoted says that a refused question is not stored, see [Registry.MayNote].
var ErrUnnoted = errors.New("too many questions were refused to store them all")

// Note waits for u's turn, adds n to its conversation and gives the place back. The
// conversation is begun where it is new, unless n has no question. It returns its number;
// 0: it has none. The error is ErrUnnoted where n is not added, since its caller had more
// refused than anybody reads.
func (u *Turn) Note(ctx context.Context, n Note) (number int64, err error) {
	defer u.Done()
	ctx, cancel := context.WithTimeout(ctx, NoteWait)
	defer cancel()
	if err := u.Wait(ctx); err != nil {
		return 0, translate.Gone(context.Cause(ctx))
	}
	if err := u.AddRefused(ctx, n); errors.Is(err, ErrUnnoted) {
		return 0, ErrUnnoted
	} else if err != nil {
		return 0, store.Failed(err)
	}
	if u.thread.ephemeral {
		return 0, nil
	}
	u.registry.number(u.thread)
	return u.thread.conv.Num, nil
}

// MayNote reports whether what is refused of owner may be stored still: it is, for as long
// as it is no more than somebody reads. Where it may not, a new conversation is to be stored
// with its answer only.
func (r *Registry) MayNote(owner string) bool { return r.quotas.allow(owner) }

// AddRefused is Add for a question that no channel was asked for; ErrUnnoted: its caller
// had more of them than anybody reads.
func (u *Turn) AddRefused(ctx context.Context, n Note) error {
	t, quotas := u.thread, &u.registry.quotas
	if t.ephemeral {
		return u.Add(ctx, n) // it has bounds of its own
	}
	if !quotas.allow(t.owner) {
		if u.first > 0 {
			quotas.add(t.owner, u.first)
		}
		return ErrUnnoted
	}
	size := len(n.Text) + weigh(n.Question) + u.first
	if t.conv.Created == 0 {
		size += weigh(t.conv.Messages)
	}
	err := u.Add(ctx, n)
	if err == nil {
		quotas.add(t.owner, size)
	}
	return err
}

// Add adds n, whatever the conversation has become since it was read: no model is told it.
// The holder of the turn may call it.
func (u *Turn) Add(ctx context.Context, n Note) error {
	t, r, now := u.thread, u.registry, time.Now().UnixMilli()
	for i := range n.Question {
		n.Question[i].Mark = store.MarkFailed
	}
	c := &Change{Turn: store.Turn{Model: n.Model, Web: n.Web, At: now}}
	c.Turn.Messages = append(slices.Clone(n.Question), store.Message{Message: translate.TextMessage(translate.RoleAssistant, n.Text), At: now, Mark: store.MarkFailed})
	if t.ephemeral || t.conv.Created == 0 {
		if len(n.Question) == 0 && (!t.ephemeral || len(t.buffer.messages) == 0) {
			return nil
		}
		_, err := u.Keep(ctx, c, -1, ReadMost)
		return err
	}
	gate := r.gate(t.owner)
	gate.RLock()
	defer gate.RUnlock()
	if u.stale() {
		return nil
	}
	was, known := t.version(), t.loaded && t.loadedAt == u.generation
	conv := *t.conv
	var err error
	for range edits {
		if !known {
			if conv.Version, err = r.store.Version(ctx, t.owner, t.id); err != nil {
				break
			}
		}
		if err = r.store.Append(ctx, &conv, c.Turn); !errors.Is(err, store.ErrConflict) {
			break
		}
		known = false
		r.notSole()
	}
	if t.loaded = known && err == nil; t.loaded {
		*t.conv = conv
		t.quiet(was)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted behind the gateway's back
	}
	return err
}
