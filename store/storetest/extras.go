package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func edits(t *testing.T, s Full) {
	ctx := t.Context()
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 10)
	must(t, s.Append(ctx, c, exchange(1, 20)))
	must(t, s.Rename(ctx, "o", "conv_1", "new name", 30))
	if got := load(t, s, "o", "conv_1"); got.Name != "new name" || got.Updated != 30 {
		t.Errorf("renamed: %+v", got)
	}
	step := func(made int64, err error) {
		t.Helper()
		must(t, err)
		if made == c.Version {
			t.Error("an edit left the version")
		}
		c.Version = made
	}
	step(s.SetText(ctx, "o", "conv_1", c.Version, 3, "edited", 31))
	step(s.Remove(ctx, "o", "conv_1", c.Version, 1, 32))
	got := load(t, s, "o", "conv_1")
	same(t, "edited", []string{"question 0", "question 1", "edited"}, texts(got))
	if got.Updated != 32 || got.Messages[2].Role != translate.RoleAssistant || got.Messages[2].At != 21 || got.Version != c.Version {
		t.Errorf("edited: %+v", got)
	}
	step(s.Insert(ctx, "o", "conv_1", c.Version, []store.Message{text(translate.RoleUser, "h1", 1), text(translate.RoleAssistant, "h2", 2)}, 33))
	step(s.Insert(ctx, "o", "conv_1", c.Version, []store.Message{text(translate.RoleUser, "h0", 1)}, 34))
	step(s.Remove(ctx, "o", "conv_1", c.Version, 5, 35))
	must(t, s.Append(ctx, c, exchange(2, 40)))
	same(t, "inserted", []string{"h0", "h1", "h2", "question 0", "question 1", "question 2", "answer 2"}, texts(load(t, s, "o", "conv_1")))
	page, _, err := s.List(ctx, store.Filter{Owner: "o"})
	if err != nil || page[0].Messages != 7 || page[0].LastMessage != "answer 2" {
		t.Errorf("summary %+v, %v", page, err)
	}
	must(t, s.Clear(ctx, "o", "conv_1", 50))
	c.Version = load(t, s, "o", "conv_1").Version
	step(s.Insert(ctx, "o", "conv_1", c.Version, []store.Message{text(translate.RoleUser, "h", 1)}, 51))
	must(t, s.Append(ctx, c, exchange(3, 60)))
	same(t, "inserted into nothing", []string{"h", "question 3", "answer 3"}, texts(load(t, s, "o", "conv_1")))
}

func editsNothing(t *testing.T, s Full) {
	ctx := t.Context()
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 10)
	for _, index := range []int{-1, 2, 1 << 40} {
		_, err := s.SetText(ctx, "o", "conv_1", c.Version, index, "x", 99)
		is(t, "SetText", err, store.ErrNotFound)
		_, err = s.Remove(ctx, "o", "conv_1", c.Version, index, 99)
		is(t, "Remove", err, store.ErrNotFound)
	}
	_, err := s.Insert(ctx, "o", "conv_2", c.Version, exchange(0, 1).Messages, 1)
	is(t, "Insert", err, store.ErrNotFound)
	is(t, "Rename", s.Rename(ctx, "o", "conv_2", "x", 1), store.ErrNotFound)
	got := load(t, s, "o", "conv_1")
	if got.Updated != 11 || len(got.Messages) != 2 || got.Version != c.Version {
		t.Errorf("a refused edit left %+v", got)
	}
}

func shares(t *testing.T, s Full) {
	ctx := t.Context()
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Name: "title"}, 10)
	kept := load(t, s, "o", "conv_1").Messages
	kept[1].Incomplete = true
	first := store.Share{Hash: "0123456789abcdef0123456789abcdef", Owner: "o", Num: c.Num, Name: "title", Model: "m", At: 5, Messages: kept}
	given := first
	must(t, s.Share(ctx, &given))
	second := store.Share{Hash: "f", Owner: "o", Num: c.Num, Name: "later", At: 6}
	must(t, s.Share(ctx, &second))
	must(t, s.Share(ctx, &store.Share{Hash: "p", Owner: "p", At: 7}))
	is(t, "the same hash", s.Share(ctx, &store.Share{Hash: "f", Owner: "p"}), store.ErrExists)
	must(t, s.Append(ctx, c, exchange(1, 20)))
	must(t, s.Delete(ctx, "o", ""))
	got, err := s.Shared(ctx, first.Hash)
	must(t, err)
	same(t, "a share", &first, got)
	all, err := s.Shares(ctx, "o")
	must(t, err)
	first.Messages = nil
	same(t, "all shares", []store.Share{second, first}, all)
	is(t, "another's", s.Unshare(ctx, "p", first.Hash), store.ErrNotFound)
	must(t, s.Unshare(ctx, "o", first.Hash))
	is(t, "again", s.Unshare(ctx, "o", first.Hash), store.ErrNotFound)
	_, err = s.Shared(ctx, first.Hash)
	is(t, "after Unshare", err, store.ErrNotFound)
}

// bounded fills an owner's masks and shares, of which another owner is free.
func bounded(t *testing.T, s Full) {
	ctx := t.Context()
	for i := range store.MaxMasks {
		must(t, s.SaveMask(ctx, "o", &store.Mask{Name: fmt.Sprint(i)}))
	}
	is(t, "one mask too many", s.SaveMask(ctx, "o", &store.Mask{Name: "more"}), store.ErrFull)
	all, err := s.Masks(ctx, "o")
	must(t, err)
	all[0].Name = "changed"
	must(t, s.SaveMask(ctx, "o", &all[0]))
	must(t, s.SaveMask(ctx, "p", &store.Mask{Name: "of another"}))
	must(t, s.DeleteMask(ctx, "o", all[1].ID))
	must(t, s.SaveMask(ctx, "o", &store.Mask{Name: "in its place"}))

	big := []byte(strings.Repeat(" ", store.MaxMaskBytes/2))
	m := store.Mask{Name: "half", Context: big}
	must(t, s.SaveMask(ctx, "q", &m))
	is(t, "masks too large together", s.SaveMask(ctx, "q", &store.Mask{Context: big}), store.ErrFull)
	must(t, s.SaveMask(ctx, "q", &store.Mask{Context: big[:len(big)-100]}))
	m.Context = append(big, big[:200]...)
	is(t, "a mask grown too large", s.SaveMask(ctx, "q", &m), store.ErrFull)
	all, err = s.Masks(ctx, "q")
	must(t, err)
	if len(all) != 2 || len(all[0].Context) != len(big) {
		t.Errorf("%d masks, the first of %d bytes", len(all), len(all[0].Context))
	}
	m.Context = nil
	must(t, s.SaveMask(ctx, "q", &m))

	half := []store.Message{{Message: translate.TextMessage(translate.RoleUser, strings.Repeat("x", store.MaxShareBytes*3/5))}}
	must(t, s.Share(ctx, &store.Share{Hash: "half", Owner: "q", Messages: half}))
	is(t, "shares too large together", s.Share(ctx, &store.Share{Hash: "other half", Owner: "q", Messages: half}), store.ErrFull)
	must(t, s.Share(ctx, &store.Share{Hash: "small", Owner: "q"}))
	must(t, s.Share(ctx, &store.Share{Hash: "half of another", Owner: "r", Messages: half}))
	must(t, s.Unshare(ctx, "q", "half"))
	must(t, s.Share(ctx, &store.Share{Hash: "other half", Owner: "q", Messages: half}))

	for i := range store.MaxShares {
		must(t, s.Share(ctx, &store.Share{Hash: fmt.Sprint(i), Owner: "o"}))
	}
	is(t, "one share too many", s.Share(ctx, &store.Share{Hash: "more", Owner: "o"}), store.ErrFull)
	must(t, s.Share(ctx, &store.Share{Hash: "of another", Owner: "p"}))
	must(t, s.Unshare(ctx, "o", "7"))
	must(t, s.Share(ctx, &store.Share{Hash: "more", Owner: "o"}))
}

func masks(t *testing.T, s Full) {
	ctx := t.Context()
	a := store.Mask{ID: -1, Avatar: "1f916", Name: "ü", Description: "d", Context: []byte(`[{"role":"user","content":"hi"}]`)}
	b := store.Mask{Name: "b"}
	must(t, s.SaveMask(ctx, "o", &a))
	must(t, s.SaveMask(ctx, "o", &b))
	if a.ID < 1 || b.ID <= a.ID {
		t.Fatalf("ids %d, %d", a.ID, b.ID)
	}
	all, err := s.Masks(ctx, "o")
	must(t, err)
	same(t, "masks", []store.Mask{a, b}, all)
	a.Name = "changed"
	must(t, s.SaveMask(ctx, "o", &a))
	is(t, "another's", s.SaveMask(ctx, "p", &a), store.ErrNotFound)
	is(t, "one that is not there", s.SaveMask(ctx, "o", &store.Mask{ID: 999}), store.ErrNotFound)
	is(t, "delete another's", s.DeleteMask(ctx, "p", a.ID), store.ErrNotFound)
	must(t, s.DeleteMask(ctx, "o", b.ID))
	is(t, "delete again", s.DeleteMask(ctx, "o", b.ID), store.ErrNotFound)
	c := store.Mask{Name: "c"}
	must(t, s.SaveMask(ctx, "o", &c))
	if c.ID == b.ID {
		t.Errorf("the id %d was given out twice", c.ID)
	}
	all, err = s.Masks(ctx, "o")
	must(t, err)
	same(t, "masks after changes", []store.Mask{a, c}, all)
	if none, err := s.Masks(ctx, "p"); err != nil || len(none) != 0 {
		t.Errorf("p has %v, %v", none, err)
	}
}
