package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func windows(t *testing.T, s Full) {
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 1)
	must(t, s.Append(t.Context(), c, exchange(1, 1)))
	head := []store.Message{text(translate.RoleSystem, "s1", 1), text(translate.RoleSystem, "s2", 1)}
	_, err := s.Insert(t.Context(), "o", "conv_1", c.Version, head, 2)
	must(t, err)
	all := load(t, s, "o", "conv_1")
	one := all.Messages[5].Weight()
	for _, w := range []struct {
		window store.Window
		want   string
	}{
		{store.Window{}, "s1 s2 question 0 answer 0 question 1 answer 1"},
		{store.Newest(1), "s1 s2 - answer 1"},
		{store.Newest(3), "s1 s2 - answer 0 question 1 answer 1"},
		{store.Newest(4), "s1 s2 question 0 answer 0 question 1 answer 1"},
		{store.Newest(5), "s1 s2 question 0 answer 0 question 1 answer 1"},
		{store.Newest(-1), "-"},
		{store.Window{Bytes: 1}, "s1 s2 - answer 1"},
		{store.Window{Bytes: one + all.Messages[4].Weight()}, "s1 s2 - question 1 answer 1"},
		{store.Window{Bytes: one + all.Messages[4].Weight() - 1}, "s1 s2 - answer 1"},
		{store.Window{Bytes: 1 << 40, Messages: 2}, "s1 s2 - question 1 answer 1"},
		{store.Window{Bytes: 1 << 40}, "s1 s2 question 0 answer 0 question 1 answer 1"},
	} {
		got, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_1"}, w.window)
		must(t, err)
		said := texts(got)
		if got.Skipped > 0 {
			said = append(said[:got.Head:got.Head], append([]string{"-"}, said[got.Head:]...)...)
		}
		if strings.Join(said, " ") != w.want || len(got.Messages)+got.Skipped != 6 || w.window.Messages >= 0 && got.Head != 2 {
			t.Errorf("%+v: %q, head %d, %d skipped; want %q", w.window, said, got.Head, got.Skipped, w.want)
		}
	}
	must(t, s.Clear(t.Context(), "o", "conv_1", 3))
	got, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_1"}, store.Newest(3))
	if must(t, err); len(got.Messages)+got.Head+got.Skipped != 0 {
		t.Errorf("of nothing there is %+v", got)
	}
}

func versions(t *testing.T, s Full) {
	ctx := t.Context()
	seen := map[int64]string{}
	version := func(what string) int64 {
		t.Helper()
		v, err := s.Version(ctx, "o", "conv_1")
		must(t, err)
		if loaded := load(t, s, "o", "conv_1").Version; loaded != v {
			t.Errorf("after %s Load says %d, Version %d", what, loaded, v)
		}
		if before, ok := seen[v]; ok || v == 0 {
			t.Errorf("%s made the version that was made by %q", what, before)
		}
		seen[v] = what
		return v
	}
	for round := range 3 {
		c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Key: "k"}, 1)
		if v := version(fmt.Sprint("creation ", round)); v != c.Version {
			t.Errorf("the creator was told %d, it is %d", c.Version, v)
		}
		must(t, s.Append(ctx, c, exchange(1, 2)))
		version("a turn")
		must(t, s.Append(ctx, c, store.Turn{Marks: []store.Remark{{Back: 0, Mark: store.MarkSuperseded}}, Messages: exchange(2, 3).Messages[1:], At: 3}))
		version("an answer anew")
		must(t, s.Append(ctx, c, store.Turn{At: 3}))
		v := version("a turn of nothing")
		must(t, s.Rename(ctx, "o", "conv_1", "name", 4))
		if now, err := s.Version(ctx, "o", "conv_1"); err != nil || now != v {
			t.Errorf("a new name made version %d of %d, %v", now, v, err)
		}
		_, err := s.SetText(ctx, "o", "conv_1", v, 0, "x", 5)
		must(t, err)
		_, err = s.Remove(ctx, "o", "conv_1", version("a new text"), 0, 5)
		must(t, err)
		_, err = s.Insert(ctx, "o", "conv_1", version("a removal"), exchange(0, 1).Messages, 5)
		must(t, err)
		version("an insertion")
		must(t, s.Clear(ctx, "o", "conv_1", 6))
		version("a clear")
		must(t, s.Delete(ctx, "o", "conv_1"))
		_, err = s.Version(ctx, "o", "conv_1")
		is(t, "Version of what was deleted", err, store.ErrNotFound)
	}
	create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 1)
	_, err := s.Version(ctx, "p", "conv_1")
	is(t, "Version of another owner's", err, store.ErrNotFound)
}

func conflicts(t *testing.T, s Full) {
	ctx := t.Context()
	for name, change := range map[string]func(c store.Conversation) error{
		"a turn": func(c store.Conversation) error { return s.Append(ctx, &c, exchange(7, 7)) },
		"an answer anew": func(c store.Conversation) error {
			return s.Append(ctx, &c, store.Turn{Marks: []store.Remark{{Back: 0, Mark: store.MarkSuperseded}}, Messages: exchange(7, 7).Messages[1:], At: 7})
		},
		"a new text": func(c store.Conversation) error {
			_, err := s.SetText(ctx, "o", c.ID, c.Version, 0, "changed", 7)
			return err
		},
		"a removal": func(c store.Conversation) error {
			_, err := s.Remove(ctx, "o", c.ID, c.Version, 0, 7)
			return err
		},
		"an insertion": func(c store.Conversation) error {
			_, err := s.Insert(ctx, "o", c.ID, c.Version, exchange(7, 7).Messages, 7)
			return err
		},
		"a clear": func(c store.Conversation) error { return s.Clear(ctx, "o", c.ID, 7) },
		"a deletion and a new beginning": func(c store.Conversation) error {
			if err := s.Delete(ctx, "o", c.ID); err != nil {
				return err
			}
			return s.Append(ctx, &store.Conversation{ID: c.ID, Owner: "o"}, exchange(7, 7))
		},
	} {
		id := "conv_" + name
		old := *create(t, s, store.Conversation{ID: id, Owner: "o"}, 1)
		must(t, change(old))
		want, late := load(t, s, "o", id), old
		is(t, "a turn after "+name, s.Append(ctx, &late, exchange(8, 8)), store.ErrConflict)
		is(t, "an answer anew after "+name, s.Append(ctx, &late, store.Turn{Marks: []store.Remark{{Back: 0, Mark: store.MarkSuperseded}}, Messages: exchange(8, 8).Messages[1:], At: 8}), store.ErrConflict)
		_, err := s.SetText(ctx, "o", id, old.Version, 0, "late", 8)
		is(t, "a new text after "+name, err, store.ErrConflict)
		_, err = s.Remove(ctx, "o", id, old.Version, 0, 8)
		is(t, "a removal after "+name, err, store.ErrConflict)
		_, err = s.Insert(ctx, "o", id, old.Version, exchange(8, 8).Messages, 8)
		is(t, "an insertion after "+name, err, store.ErrConflict)
		got := load(t, s, "o", id)
		if same(t, "after refusals that followed "+name, want, got); got.Version != want.Version || late.Version != old.Version {
			t.Errorf("after %s refusals left a version", name)
		}
	}
}

// oneWins lets many answer one version of a conversation at once, some of them by
// marking what was said before.
func oneWins(t *testing.T, s Full) {
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 1)
	for round := range 4 {
		var won atomic.Int32
		var wg sync.WaitGroup
		version := c.Version
		for i := range 32 {
			wg.Go(func() {
				mine := *c
				mine.Version = version
				turn := exchange(100*round+i, 1)
				if i%2 == 1 {
					turn.Marks = []store.Remark{{Back: 0, Mark: store.MarkFailed}, {Back: 1, Mark: store.MarkFailed}}
				}
				err := s.Append(t.Context(), &mine, turn)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, store.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		c = load(t, s, "o", "conv_1")
		if whole(t, c); won.Load() != 1 {
			t.Fatalf("%d of 32 were stored", won.Load())
		}
	}
}
