package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// marked is a message that is named after its role, and what store.Message says of it.
func marked(role translate.Role, name string, mark store.Mark) store.Message {
	m := text(role, name, 1)
	m.Mark = mark
	return m
}

// list is a conversation as a person reads it: u1 a1 e1! … with the number of a mark.
func list(messages []store.Message) string {
	var b strings.Builder
	for i := range messages {
		m := &messages[i]
		fmt.Fprintf(&b, " %s", m.Text())
		if m.Mark != store.MarkNone {
			fmt.Fprintf(&b, "/%d", m.Mark)
		}
		if m.Incomplete {
			b.WriteString("-")
		}
	}
	return strings.TrimSpace(b.String())
}

// written makes a conversation of what list says: a name's first letter is s, u or a.
func written(t *testing.T, s Full, id, said string) *store.Conversation {
	t.Helper()
	turn := store.Turn{At: 1}
	for _, word := range strings.Fields(said) {
		word, cut := strings.CutSuffix(word, "-")
		name, number, _ := strings.Cut(word, "/")
		m := marked(map[byte]translate.Role{'s': translate.RoleSystem, 'u': translate.RoleUser, 'a': translate.RoleAssistant}[name[0]], name, 0)
		if _, err := fmt.Sscan(number, &m.Mark); number != "" && err != nil {
			t.Fatal(err)
		}
		m.Incomplete = cut
		turn.Messages = append(turn.Messages, m)
	}
	c := &store.Conversation{ID: id, Owner: "o"}
	must(t, s.Append(t.Context(), c, turn))
	return c
}

func mustList(t *testing.T, what string, s Full, id, want string) {
	t.Helper()
	if got := list(load(t, s, "o", id).Messages); got != want {
		t.Errorf("%s: %s\nwant %s", what, got, want)
	}
}

func summaryOf(t *testing.T, s Full, id string) string {
	t.Helper()
	page, _, err := s.List(t.Context(), store.Filter{Owner: "o"})
	must(t, err)
	for _, one := range page {
		if one.ID == id {
			return fmt.Sprint(one.Messages, " ", one.LastMessage)
		}
	}
	return "none"
}

func remarks(t *testing.T, s Full) {
	ctx := t.Context()
	c := written(t, s, "conv_1", "u0/1")
	if got := summaryOf(t, s, "conv_1"); got != "0 " {
		t.Errorf("of a question without an answer: %s", got)
	}
	must(t, s.Append(ctx, c, store.Turn{At: 2, Marks: []store.Remark{{}}, Messages: []store.Message{marked(translate.RoleAssistant, "a0", 0)}}))
	mustList(t, "answered", s, "conv_1", "u0 a0")
	if got := summaryOf(t, s, "conv_1"); got != "2 a0" {
		t.Errorf("of a question with its answer: %s", got)
	}
	must(t, s.Append(ctx, c, store.Turn{At: 3, Messages: []store.Message{marked(translate.RoleUser, "u1", 1), marked(translate.RoleAssistant, "a1", 1)}}))
	mustList(t, "failed", s, "conv_1", "u0 a0 u1/1 a1/1")
	if got := summaryOf(t, s, "conv_1"); got != "2 a0" {
		t.Errorf("with a question that failed: %s", got)
	}
	must(t, s.Append(ctx, c, store.Turn{At: 4, Marks: []store.Remark{{Back: 1}, {Back: 2, Mark: store.MarkSuperseded}}}))
	mustList(t, "marks only", s, "conv_1", "u0 a0/2 u1 a1/1")
	if got := summaryOf(t, s, "conv_1"); got != "2 u1" {
		t.Errorf("after marks: %s", got)
	}
	before := load(t, s, "o", "conv_1")
	is(t, "a mark of what is not there", s.Append(ctx, c, store.Turn{At: 5, Marks: []store.Remark{{Back: 0, Mark: store.MarkFailed}, {Back: 4}}, Messages: exchange(1, 5).Messages}), store.ErrNotFound)
	same(t, "after the refusal", before, load(t, s, "o", "conv_1"))
	is(t, "a mark in what is not begun", s.Append(ctx, &store.Conversation{ID: "conv_2", Owner: "o"}, store.Turn{At: 5, Marks: []store.Remark{{}}, Messages: exchange(1, 5).Messages}), store.ErrNotFound)
	if got := summaryOf(t, s, "conv_2"); got != "none" {
		t.Errorf("what was refused is there: %s", got)
	}
	must(t, s.Share(ctx, &store.Share{Hash: "h", Owner: "o", Messages: before.Messages}))
	shared, err := s.Shared(ctx, "h")
	must(t, err)
	if got := list(shared.Messages); got != list(before.Messages) {
		t.Errorf("shared: %s", got)
	}
}

func views(t *testing.T, s Full) {
	written(t, s, "conv_1", "s0 s1/1 s2 u0 a0/2 a1/2 a2 u1/1 a3/1 u2 a4- u3 a5/3 u4/1 a6/1 a7/1")
	for _, c := range []struct {
		window store.Window
		want   string
		head   int
		left   bool
	}{
		{store.Window{View: store.ViewSent}, "s0 s2 u0 a2 u2 a4- u3", 2, false},
		{store.Window{View: store.ViewPlain}, "s0 s2 u0 a2 u2 u3", 2, false},
		{store.Window{View: store.ViewAgain}, "s0 s2 u0 a2 u2 a4- u3 u4/1 a6/1 a7/1", 2, false},
		{store.Window{View: store.ViewSent, Messages: 2}, "s0 s2 a4- u3", 2, true},
		{store.Window{View: store.ViewSent, Messages: 5}, "s0 s2 u0 a2 u2 a4- u3", 2, false},
		{store.Window{View: store.ViewPlain, Messages: 2}, "s0 s2 u2 u3", 2, true},
		{store.Window{View: store.ViewAgain, Messages: 2}, "s0 s2 a4- u3 u4/1 a6/1 a7/1", 2, true},
		{store.Window{View: store.ViewAgain, Messages: 1, Bytes: 1}, "s0 s2 u3 u4/1 a6/1 a7/1", 2, true},
		{store.Window{View: store.ViewSent, Bytes: 1}, "s0 s2 u3", 2, true},
		{store.Window{Messages: 3}, "s0 s1/1 s2 u4/1 a6/1 a7/1", 3, true},
	} {
		got, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_1"}, c.window)
		must(t, err)
		if list(got.Messages) != c.want || got.Head != c.head || got.Skipped > 0 != c.left {
			t.Errorf("%+v: %s, head %d, skipped %d\nwant %s, %d, %t", c.window, list(got.Messages), got.Head, got.Skipped, c.want, c.head, c.left)
		}
	}
	written(t, s, "conv_2", "a0 a1 a2/1")
	got, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_2"}, store.Window{View: store.ViewAgain, Messages: 1})
	if must(t, err); list(got.Messages) != "a0 a1 a2/1" {
		t.Errorf("of answers only: %s", list(got.Messages))
	}
}

func listsPlain(t *testing.T, s Full) {
	for i, said := range []string{"u0 a0", "u1/1 a1/1", "", "s0 u1/1", "u2 a2/3", "a3-"} {
		written(t, s, fmt.Sprint("conv_", i), said)
	}
	for plain, want := range map[bool]string{false: "6 of 6: 0 [2 a0] 1 [0 ] 2 [0 ] 3 [1 s0] 4 [1 u2] 5 [0 ]", true: "4 of 4: 0 [2 a0] 2 [0 ] 3 [1 s0] 4 [1 u2]"} {
		for _, user := range []*string{nil, new(string)} {
			page, total, err := s.List(t.Context(), store.Filter{Owner: "o", User: user, Plain: plain})
			must(t, err)
			got := fmt.Sprintf("%d of %d:", len(page), total)
			slices.SortFunc(page, func(a, b store.Summary) int { return strings.Compare(a.ID, b.ID) })
			for _, one := range page {
				got += fmt.Sprintf(" %s [%d %s]", one.ID[len("conv_"):], one.Messages, one.LastMessage)
			}
			if got != want {
				t.Errorf("plain %t: %s\nwant %s", plain, got, want)
			}
		}
	}
}

func removesMarked(t *testing.T, s Full) {
	for i, c := range []struct {
		said   string
		remove int
		want   string
	}{
		{"u0 a0 a1/1 u1 a2", 0, "a0/4 a1/1 u1 a2"},
		{"u0 a0/2 a1 u1 a2", 0, "a0/4 a1/4 u1 a2"},
		{"u0 a0 u1 a2-", 2, "u0 a0 a2-/4"},
		{"u0 a0/2 a1/2 a2 u1 a3", 3, "u0 a0/2 a1 u1 a3"},
		{"u0 a0/2 a1/2 a2- u1 a3", 3, "u0 a0/2 a1 u1 a3"},
		{"u0 a0/2 a1/2 a2 u1 a3", 1, "u0 a1/2 a2 u1 a3"},
		{"u0 a0/2 a1 a2/1", 3, "u0 a0/2 a1"},
		{"u0 a0/2 u1 a1", 3, "u0 a0/2 u1"},
		{"u0 a0/2 u1/1 a1/1 u2 a2", 3, "u0 a0/2 u1/1 u2 a2"},
		{"u0 a0/4 a1/4", 2, "u0 a0/4"},
		{"s0 a0 u0", 0, "a0 u0"},
	} {
		id := fmt.Sprint("conv_", i)
		conv := written(t, s, id, c.said)
		_, err := s.Remove(t.Context(), "o", id, conv.Version, c.remove, 2)
		must(t, err)
		mark := func(s string) string { return strings.ReplaceAll(s, "-/4", "/4-") }
		mustList(t, fmt.Sprint(c.said, " without ", c.remove), s, id, mark(c.want))
	}
}

// marksAgree changes conversations at random, and compares what is counted with what
// is there.
func marksAgree(t *testing.T, s Full) {
	r, ctx := rand.New(rand.NewPCG(1, 2)), t.Context()
	c := written(t, s, "conv_1", "u0/1")
	for i := range 300 {
		all := load(t, s, "o", "conv_1").Messages
		var err error
		switch n := r.IntN(max(1, len(all))); r.IntN(5) {
		case 0:
			c.Version, err = s.Remove(ctx, "o", "conv_1", c.Version, n, 1)
			if len(all) == 0 {
				c.Version, err = load(t, s, "o", "conv_1").Version, nil
			}
		default:
			turn := store.Turn{At: 1}
			for range r.IntN(3) {
				m := marked([]translate.Role{translate.RoleUser, translate.RoleAssistant}[r.IntN(2)], fmt.Sprint(i), store.Mark(r.IntN(5)))
				m.Incomplete = r.IntN(4) == 0
				turn.Messages = append(turn.Messages, m)
			}
			for range min(len(all), r.IntN(3)) {
				turn.Marks = append(turn.Marks, store.Remark{Back: r.IntN(len(all)), Mark: store.Mark(r.IntN(5))})
			}
			err = s.Append(ctx, c, turn)
		}
		must(t, err)
		plain, last := 0, ""
		for _, m := range load(t, s, "o", "conv_1").Messages {
			if m.Plain() {
				plain, last = plain+1, m.Text()
			}
		}
		if got, want := summaryOf(t, s, "conv_1"), fmt.Sprint(plain, " ", last); got != want {
			t.Fatalf("step %d: the list says %q, it is %q", i, got, want)
		}
	}
}
