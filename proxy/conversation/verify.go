package conversation

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/dragoman-gateway/dragoman/store"
)

// Verify compares all conversations that are held with the store, and the sums that the
// registry keeps with what it holds. Tests call it after each of their steps: nobody may use
// a conversation meanwhile.
func (r *Registry) Verify(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes := 0
	for id, t := range r.byID {
		if !t.parked {
			return fmt.Errorf("%s is in use", id)
		}
		if err := t.verify(ctx, r.store); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		bytes += t.bytes()
	}
	if r.idle.n != len(r.byID) || r.held != bytes {
		return fmt.Errorf("%d conversations of %d bytes are held, %d of %d are counted", len(r.byID), bytes, r.idle.n, r.held)
	}
	return nil
}

func (t *Thread) verify(ctx context.Context, st store.Store) error {
	held := t.conv
	stored, err := st.Load(ctx, t.owner, store.Ref{ID: t.id}, store.Window{View: store.ViewSent})
	if err != nil {
		return fmt.Errorf("is held and not stored: %w", err)
	}
	want := append(slices.Clone(stored.Messages[:stored.Head]), stored.Messages[stored.Head+held.Skipped:]...)
	if len(held.Messages)+len(want) > 0 && !reflect.DeepEqual(held.Messages, want) || held.Head != stored.Head {
		return fmt.Errorf("held (head %d, %d skipped)\n%+v, stored (head %d)\n%+v", held.Head, held.Skipped, held.Messages, stored.Head, want)
	}
	if held.Version != stored.Version {
		return fmt.Errorf("held is version %d, stored %d", held.Version, stored.Version)
	}
	if weight := weigh(held.Messages); t.weight != weight {
		return fmt.Errorf("its messages are said to weigh %d, they do %d", t.weight, weight)
	}
	l := &t.lengths
	if length := lengthOf(stored.Messages); l.sized && l.total != length || len(l.sizes) != len(held.Messages) {
		return fmt.Errorf("%d bytes of text are said to be %d, with %d sizes of %d messages", length, l.total, len(l.sizes), len(held.Messages))
	}
	return nil
}
