package embedded

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Changes that fail in every way stand in batches beside turns, on a disk that is full at times:
// what was acknowledged is stored, and what failed is not.
func TestWhatStandsInABatchBesideFailuresIsStoredAsItWasAcknowledged(t *testing.T) {
	t.Parallel()
	s := must(t, "sqlite:"+filepath.Join(t.TempDir(), "b.db")).(*sqlite)
	defer func() { _ = s.Close() }()
	random := rand.New(rand.NewPCG(1, 2))
	limit := func(pages int) func(*session) error {
		return func(w *session) error {
			var now, used int
			if err := w.scan([]any{&used}, "PRAGMA page_count"); err != nil {
				return err
			}
			if pages > 0 {
				used += pages
			} else {
				used = 1 << 30
			}
			return w.scan([]any{&now}, fmt.Sprint("PRAGMA max_page_count = ", used))
		}
	}
	const turns = 300
	var acknowledged [turns]error
	var all sync.WaitGroup
	for i := range turns {
		size := random.IntN(20_000)
		all.Go(func() {
			text := strings.Repeat("x", size)
			acknowledged[i] = s.Append(t.Context(), &store.Conversation{ID: fmt.Sprint(i), Owner: "o"},
				store.Turn{At: 1, Messages: []store.Message{{Message: translate.TextMessage(translate.RoleUser, text), At: 1}}})
		})
		wild := []func(*session) error{
			func(w *session) error { _, err := w.exec("INSERT INTO nowhere VALUES (?)", i); return err },
			func(w *session) error {
				_, err := w.exec("INSERT INTO owners (owner, next) VALUES (NULL, ?)", i)
				return err
			},
			func(w *session) error {
				_, err := w.exec("DELETE FROM conversations")
				return errors.Join(err, store.ErrConflict)
			},
			func(w *session) error { _, _ = w.exec("DELETE FROM messages"); panic("in a change") },
			func(w *session) error { var s string; return w.scan([]any{&s}, "SELECT NULL") },
			limit(40), limit(0),
		}
		change := wild[random.IntN(len(wild))]
		leaves := random.IntN(4) == 0
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if leaves {
				go cancel()
			}
			_ = s.change(ctx, change)
		})
		if random.IntN(10) == 0 {
			all.Wait()
		}
	}
	all.Wait()
	if err := s.change(t.Context(), limit(0)); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i, err := range acknowledged {
		c, missing := s.Load(t.Context(), "o", store.Ref{ID: fmt.Sprint(i)}, store.Window{Messages: 9, View: store.ViewAll})
		switch {
		case err == nil && (missing != nil || len(c.Messages) != 1):
			t.Errorf("turn %d was acknowledged and is lost: %+v, %v", i, c, missing)
		case err != nil && !errors.Is(missing, store.ErrNotFound):
			t.Errorf("turn %d failed with %v, and is there", i, err)
		case err != nil:
			failed++
		}
	}
	if failed == 0 || failed == turns {
		t.Errorf("%d of %d turns failed", failed, turns)
	}
}
