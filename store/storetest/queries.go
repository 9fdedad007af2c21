package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func finds(t *testing.T, s Full) {
	create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Key: "k1", User: "u", Group: "g"}, 100)
	create(t, s, store.Conversation{ID: "conv_2", Owner: "o", Key: "k2", User: "u", Group: "g"}, 300)
	create(t, s, store.Conversation{ID: "conv_3", Owner: "o", Key: "k3", User: "u", Group: "g"}, 200)
	create(t, s, store.Conversation{ID: "conv_4", Owner: "o", User: "u"}, 400)
	for _, c := range []struct {
		ref  store.Ref
		want string
	}{
		{store.Ref{ID: "conv_3"}, "conv_3"},
		{store.Ref{Num: 1}, "conv_1"},
		{store.Ref{Key: "k2"}, "conv_2"},
		{store.Ref{User: "u", Group: "g"}, "conv_2"},
		{store.Ref{User: "u"}, "conv_4"},
		{store.Ref{ID: "conv_3", Num: 1, Key: "k2", User: "u"}, "conv_3"},
		{store.Ref{Num: 1, Key: "k2", User: "u"}, "conv_1"},
		{store.Ref{Key: "k3", User: "u"}, "conv_3"},
	} {
		got, err := s.Load(t.Context(), "o", c.ref, store.Newest(1))
		if err != nil || got.ID != c.want {
			t.Errorf("%+v found %+v, %v; want %s", c.ref, got, err, c.want)
		}
	}
	for _, ref := range []store.Ref{{}, {ID: "conv_9"}, {Num: 9}, {Num: -1}, {Key: "k9"}, {User: "v"}, {User: "u", Group: "h"}, {Group: "g"}} {
		_, err := s.Load(t.Context(), "o", ref, store.Window{})
		is(t, fmt.Sprintf("%+v", ref), err, store.ErrNotFound)
	}
}

func loadsLast(t *testing.T, s Full) {
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 1)
	for i := range 5 {
		must(t, s.Append(t.Context(), c, exchange(i+1, 1)))
	}
	for last, want := range map[int]int{0: 12, 1: 1, 3: 3, 12: 12, 99: 12} {
		got, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_1"}, store.Newest(last))
		if err != nil || len(got.Messages) != want {
			t.Fatalf("the last %d: %d messages, %v", last, len(got.Messages), err)
		}
		if newest := got.Messages[want-1].Text(); newest != "answer 5" {
			t.Errorf("the last %d end with %q", last, newest)
		}
	}
	got, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_1"}, store.Newest(3))
	must(t, err)
	same(t, "the last 3", []string{"answer 4", "question 5", "answer 5"}, texts(got))
}

func copies(t *testing.T, s Full) {
	given := exchange(0, 1)
	c := &store.Conversation{ID: "conv_1", Owner: "o"}
	must(t, s.Append(t.Context(), c, given))
	given.Messages[0].Parts[0].Text = "changed by the giver"
	got := load(t, s, "o", "conv_1")
	got.Messages[1].Parts[0].Text = "changed by the taker"
	got.Messages = append(got.Messages[:1], text(translate.RoleUser, "added by the taker", 1))
	same(t, "stored", []string{"question 0", "answer 0"}, texts(load(t, s, "o", "conv_1")))
}

func isolates(t *testing.T, s Full) {
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Key: "k", User: "u"}, 1)
	ctx := t.Context()
	for _, ref := range []store.Ref{{ID: "conv_1"}, {Num: 1}, {Key: "k"}, {User: "u"}} {
		_, err := s.Load(ctx, "p", ref, store.Window{})
		is(t, fmt.Sprintf("%+v", ref), err, store.ErrNotFound)
	}
	theirs := *c
	theirs.Owner = "p"
	is(t, "Append", s.Append(ctx, &theirs, exchange(1, 1)), store.ErrNotFound)
	is(t, "Clear", s.Clear(ctx, "p", "conv_1", 1), store.ErrNotFound)
	is(t, "Delete", s.Delete(ctx, "p", "conv_1"), store.ErrNotFound)
	is(t, "Rename", s.Rename(ctx, "p", "conv_1", "n", 1), store.ErrNotFound)
	_, err := s.SetText(ctx, "p", "conv_1", c.Version, 0, "n", 1)
	is(t, "SetText", err, store.ErrNotFound)
	_, err = s.Remove(ctx, "p", "conv_1", c.Version, 0, 1)
	is(t, "Remove", err, store.ErrNotFound)
	_, err = s.Insert(ctx, "p", "conv_1", c.Version, exchange(1, 1).Messages, 1)
	is(t, "Insert", err, store.ErrNotFound)
	must(t, s.Delete(ctx, "p", ""))
	page, total, err := s.List(ctx, store.Filter{Owner: "p"})
	if err != nil || total != 0 || len(page) != 0 {
		t.Errorf("p lists %v, %d, %v", page, total, err)
	}
	same(t, "untouched", []string{"question 0", "answer 0"}, texts(load(t, s, "o", "conv_1")))
}

func ids(page []store.Summary) string {
	var out []string
	for _, v := range page {
		out = append(out, strings.TrimPrefix(v.ID, "conv_"))
	}
	return strings.Join(out, " ")
}

func lists(t *testing.T, s Full) {
	for _, v := range []struct {
		id string
		at int64
	}{{"c", 30}, {"a", 10}, {"e", 20}, {"b", 20}, {"d", 40}} {
		create(t, s, store.Conversation{ID: "conv_" + v.id, Owner: "o"}, v.at)
	}
	create(t, s, store.Conversation{ID: "conv_other", Owner: "p"}, 50)
	for _, c := range []struct {
		f    store.Filter
		want string
	}{
		{store.Filter{}, "d c b e a"},
		{store.Filter{ByNum: true}, "d b e a c"},
		{store.Filter{Limit: 2}, "d c"},
		{store.Filter{Limit: 2, Offset: 2}, "b e"},
		{store.Filter{Limit: 2, Offset: 4}, "a"},
		{store.Filter{Limit: 2, Offset: 9}, ""},
		{store.Filter{Offset: 3}, "e a"},
		{store.Filter{ByNum: true, Limit: 1, Offset: 1}, "b"},
	} {
		c.f.Owner = "o"
		page, total, err := s.List(t.Context(), c.f)
		if err != nil || total != 5 || ids(page) != c.want {
			t.Errorf("%+v: %q of %d, %v; want %q of 5", c.f, ids(page), total, err, c.want)
		}
	}
	must(t, s.Clear(t.Context(), "o", "conv_a", 99))
	page, _, err := s.List(t.Context(), store.Filter{Owner: "o", Limit: 1})
	if err != nil || ids(page) != "a" {
		t.Errorf("after a change the newest is %q, %v", ids(page), err)
	}
}

func filters(t *testing.T, s Full) {
	for i, v := range [][2]string{{"u", ""}, {"u", "g"}, {"u", "h"}, {"v", "g"}, {"", "g"}, {"u", "g"}} {
		create(t, s, store.Conversation{ID: fmt.Sprintf("conv_%d", i), Owner: "o", User: v[0], Group: v[1]}, int64(i+1))
	}
	create(t, s, store.Conversation{ID: "conv_other", Owner: "p", User: "u", Group: "g"}, 50)
	for _, c := range []struct {
		f     store.Filter
		want  string
		total int
	}{
		{store.Filter{User: ptr("u")}, "5 2 1 0", 4},
		{store.Filter{User: ptr("u"), Limit: 2, Offset: 1}, "2 1", 4},
		{store.Filter{User: ptr("u"), Group: ptr("g")}, "5 1", 2},
		{store.Filter{User: ptr("u"), Group: ptr("")}, "0", 1},
		{store.Filter{Group: ptr("g")}, "5 4 3 1", 4},
		{store.Filter{Group: ptr("g"), ByNum: true, Limit: 2}, "5 4", 4},
		{store.Filter{User: ptr("")}, "4", 1},
		{store.Filter{User: ptr("nobody")}, "", 0},
	} {
		c.f.Owner = "o"
		page, total, err := s.List(t.Context(), c.f)
		if err != nil || total != c.total || ids(page) != c.want {
			t.Errorf("%+v: %q of %d, %v; want %q of %d", c.f, ids(page), total, err, c.want, c.total)
		}
	}
}

func summarises(t *testing.T, s Full) {
	c := &store.Conversation{ID: "conv_1", Owner: "o", User: "u", Group: "g", Name: "title"}
	turn := exchange(0, 10)
	turn.Messages[1] = text(translate.RoleAssistant, strings.Repeat("é", 150), 11)
	must(t, s.Append(t.Context(), c, turn))
	want := store.Summary{
		ID: "conv_1", User: "u", Group: "g", Name: "title", Model: "model",
		Num: 1, Created: 11, Updated: 11, Messages: 2, LastMessage: strings.Repeat("é", 100),
	}
	page, _, err := s.List(t.Context(), store.Filter{Owner: "o"})
	must(t, err)
	same(t, "summary", []store.Summary{want}, page)
}

func clears(t *testing.T, s Full) {
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Key: "k", Name: "title"}, 10)
	must(t, s.Clear(t.Context(), "o", "conv_1", 50))
	got := load(t, s, "o", "conv_1")
	same(t, "cleared", &store.Conversation{ID: "conv_1", Owner: "o", Num: 1, Key: "k", Name: "title", Model: "model", Created: 11, Updated: 50}, got)
	c.Version = got.Version
	page, _, err := s.List(t.Context(), store.Filter{Owner: "o"})
	if err != nil || page[0].Messages != 0 || page[0].LastMessage != "" || page[0].Updated != 50 {
		t.Errorf("summary %+v, %v", page, err)
	}
	must(t, s.Append(t.Context(), c, exchange(1, 60)))
	same(t, "goes on", []string{"question 1", "answer 1"}, texts(load(t, s, "o", "conv_1")))
	is(t, "what is not there", s.Clear(t.Context(), "o", "conv_2", 1), store.ErrNotFound)
}

func deletes(t *testing.T, s Full) {
	for i := range 4 {
		create(t, s, store.Conversation{ID: fmt.Sprintf("conv_%d", i), Owner: "o", Key: fmt.Sprint(i)}, int64(i))
	}
	create(t, s, store.Conversation{ID: "conv_p", Owner: "p"}, 1)
	must(t, s.Delete(t.Context(), "o", "conv_1"))
	is(t, "again", s.Delete(t.Context(), "o", "conv_1"), store.ErrNotFound)
	_, err := s.Load(t.Context(), "o", store.Ref{Key: "1"}, store.Window{})
	is(t, "by its key", err, store.ErrNotFound)
	page, total, err := s.List(t.Context(), store.Filter{Owner: "o"})
	if err != nil || total != 3 || ids(page) != "3 2 0" {
		t.Errorf("left: %q of %d, %v", ids(page), total, err)
	}
	must(t, s.Delete(t.Context(), "o", ""))
	must(t, s.Delete(t.Context(), "o", ""))
	must(t, s.Delete(t.Context(), "nobody", ""))
	if _, total, err = s.List(t.Context(), store.Filter{Owner: "o"}); err != nil || total != 0 {
		t.Errorf("after all were deleted: %d, %v", total, err)
	}
	create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Key: "1"}, 1)
	same(t, "made anew", []string{"question 0", "answer 0"}, texts(load(t, s, "o", "conv_1")))
	load(t, s, "p", "conv_p")
}
