// Package storetest is the conformance suite of the stores: what store promises,
// as tests that any back end can be put through.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Full is what every back end implements.
type Full interface {
	store.Store
	store.Editor
	store.Sharer
	store.Masker
	store.Keyer
	store.Ledger
	store.Expirer
}

// Run puts a back end through everything that needs no second opening. open
// returns an empty store of its own each time; Run closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, s Full)
	}{
		{"A turn is stored and loaded as it was", storesTurns},
		{"Every kind of content comes back", keepsContent},
		{"A big message comes back", keepsBigMessages},
		{"Append sets what it promises and nothing else", setsFields},
		{"Append to what is not there fails", appendsToNothing},
		{"An id, a number or a key is taken only once", takesOnce},
		{"A failed Append changes nothing", failsWhole},
		{"A turn marks what was there before it", remarks},
		{"Views leave out what is marked, and windows count what they show", views},
		{"Lists count and show only what was said to its end", listsPlain},
		{"Removing a question or an answer marks what belonged to it", removesMarked},
		{"Whatever is marked, Load, List and a rebuilt summary agree", marksAgree},
		{"Numbers are never given out twice", numbers},
		{"Numbers are unique among 64 callers", numbersTogether},
		{"A conversation is found by each kind of reference", finds},
		{"Load gives the last messages", loadsLast},
		{"A window is bounded in messages and bytes and begins with the system messages", windows},
		{"Whatever changes what was said makes a version that never was", versions},
		{"What was answered for another version is not written", conflicts},
		{"Of those who answer the same version one is stored", oneWins},
		{"The caller owns what it gets and keeps what it gave", copies},
		{"Nobody sees or changes another owner's conversation", isolates},
		{"A list is paged and in order", lists},
		{"A list is filtered by user and group", filters},
		{"A summary says what is in the conversation", summarises},
		{"Clear removes the messages only", clears},
		{"Delete removes one conversation or all", deletes},
		{"64 callers lose nothing and see whole turns", together},
		{"One failing change does not spoil those beside it", failsAlone},
		{"A conversation is renamed and its messages edited", edits},
		{"An index that is not there is not found", editsNothing},
		{"Shares are copies that anyone may read", shares},
		{"Masks are kept for their owner", masks},
		{"Keys are found by hash and by id until they are revoked", keys},
		{"The ledger is read by request, caller and time", ledger},
		{"The ledger sums requests and forgets what is old", ledgerSums},
		{"The ledger knows callers without a key by their network", ledgerNetworks},
		{"A row of the ledger may stand for several requests", ledgerCounts},
		{"Sums of the ledger leave out what cannot be and never overflow", ledgerLies},
		{"Trim removes the rows of the ledger that were recorded first", ledgerTrims},
		{"Nobody keeps more shares and masks than one may", bounded},
		{"Old conversations are found owner by owner and removed", expires},
		{"What was changed meanwhile is not removed for its age", expiresNothing},
		{"A context that has ended ends the call", endsWithContext},
		{"After Close every call fails", closes},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, full(t, open(t)))
		})
	}
}

func full(t testing.TB, s store.Store) Full {
	t.Helper()
	f, ok := s.(Full)
	if !ok {
		t.Fatalf("%T does not implement Editor, Sharer, Masker, Keyer, Ledger and Expirer", s)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return f
}

func text(r translate.Role, s string, at int64) store.Message {
	return store.Message{Message: translate.TextMessage(r, s), At: at}
}

// exchange is one question and its answer.
func exchange(n int, at int64) store.Turn {
	return store.Turn{
		Messages: []store.Message{
			text(translate.RoleUser, fmt.Sprintf("question %d", n), at),
			text(translate.RoleAssistant, fmt.Sprintf("answer %d", n), at+1),
		},
		Model: "model", At: at + 1,
	}
}

// create stores a new conversation with one exchange.
func create(t testing.TB, s Full, c store.Conversation, at int64) *store.Conversation {
	t.Helper()
	if err := s.Append(t.Context(), &c, exchange(0, at)); err != nil {
		t.Fatalf("Append %s: %v", c.ID, err)
	}
	return &c
}

func load(t testing.TB, s Full, owner, id string) *store.Conversation {
	t.Helper()
	c, err := s.Load(t.Context(), owner, store.Ref{ID: id}, store.Window{})
	if err != nil {
		t.Fatalf("Load %s: %v", id, err)
	}
	return c
}

func texts(c *store.Conversation) []string {
	var out []string
	for i := range c.Messages {
		out = append(out, c.Messages[i].Text())
	}
	return out
}

// unversioned: what a version is called is nobody's business.
var unversioned = cmpopts.IgnoreFields(store.Conversation{}, "Version")

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, unversioned); diff != "" {
		t.Errorf("%s (- want, + got):\n%s", what, diff)
	}
}

func is(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }

func endsWithContext(t *testing.T, s Full) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Number(ctx, "o")
	is(t, "Number", err, context.Canceled)
	_, err = s.Load(ctx, "o", store.Ref{ID: "x"}, store.Window{})
	is(t, "Load", err, context.Canceled)
	_, _, err = s.List(ctx, store.Filter{Owner: "o"})
	is(t, "List", err, context.Canceled)
	is(t, "Append", s.Append(ctx, &store.Conversation{ID: "x", Owner: "o"}, exchange(0, 1)), context.Canceled)
	is(t, "Delete", s.Delete(ctx, "o", "x"), context.Canceled)
	_, total, err := s.List(t.Context(), store.Filter{Owner: "o"})
	if err != nil || total != 0 {
		t.Errorf("after refused calls: %d conversations, %v", total, err)
	}
}

func closes(t *testing.T, s Full) {
	create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 1)
	must(t, s.Close())
	must(t, s.Close())
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Number":     func() error { _, err := s.Number(ctx, "o"); return err },
		"Load":       func() error { _, err := s.Load(ctx, "o", store.Ref{ID: "conv_1"}, store.Window{}); return err },
		"List":       func() error { _, _, err := s.List(ctx, store.Filter{Owner: "o"}); return err },
		"Append":     func() error { return s.Append(ctx, &store.Conversation{ID: "x", Owner: "o"}, exchange(0, 1)) },
		"Version":    func() error { _, err := s.Version(ctx, "o", "conv_1"); return err },
		"Clear":      func() error { return s.Clear(ctx, "o", "conv_1", 1) },
		"Delete":     func() error { return s.Delete(ctx, "o", "") },
		"Rename":     func() error { return s.Rename(ctx, "o", "conv_1", "n", 1) },
		"SetText":    func() error { _, err := s.SetText(ctx, "o", "conv_1", 1, 0, "n", 1); return err },
		"Remove":     func() error { _, err := s.Remove(ctx, "o", "conv_1", 1, 0, 1); return err },
		"Insert":     func() error { _, err := s.Insert(ctx, "o", "conv_1", 1, nil, 1); return err },
		"Share":      func() error { return s.Share(ctx, &store.Share{Hash: "h"}) },
		"Shared":     func() error { _, err := s.Shared(ctx, "h"); return err },
		"Shares":     func() error { _, err := s.Shares(ctx, "o"); return err },
		"Unshare":    func() error { return s.Unshare(ctx, "o", "h") },
		"SaveMask":   func() error { return s.SaveMask(ctx, "o", &store.Mask{}) },
		"Masks":      func() error { _, err := s.Masks(ctx, "o"); return err },
		"DeleteMask": func() error { return s.DeleteMask(ctx, "o", 1) },
		"AddKey":     func() error { return s.AddKey(ctx, &store.Key{ID: "k"}) },
		"KeyByHash":  func() error { _, err := s.KeyByHash(ctx, [32]byte{}); return err },
		"KeyByID":    func() error { _, err := s.KeyByID(ctx, "k"); return err },
		"Keys":       func() error { _, err := s.Keys(ctx); return err },
		"RevokeKey":  func() error { return s.RevokeKey(ctx, "k") },
		"Record":     func() error { return s.Record(ctx, []store.Entry{{}}) },
		"Entries":    func() error { _, err := s.Entries(ctx, store.EntryFilter{}); return err },
		"Totals":     func() error { _, err := s.Totals(ctx, store.EntryFilter{}); return err },
		"Stale":      func() error { _, err := s.Stale(ctx, 1, "", 1); return err },
		"Expire":     func() error { _, err := s.Expire(ctx, "o", []string{"conv_1"}, 9); return err },
		"Forget":     func() error { _, err := s.Forget(ctx, 1); return err },
		"Trim":       func() error { _, err := s.Trim(ctx, 1); return err },
	} {
		if err := call(); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}
