package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func storesTurns(t *testing.T, s Full) {
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Key: "k", User: "u", Group: "g", Name: "title"}, 1000)
	second := exchange(1, 2000)
	second.Messages[1].Incomplete = true
	second.Model, second.Web = "other", true
	must(t, s.Append(t.Context(), c, second))
	same(t, "loaded", &store.Conversation{
		ID: "conv_1", Owner: "o", Num: 1, Key: "k", User: "u", Group: "g", Name: "title", Model: "other", Web: true,
		Created: 1001, Updated: 2001, Messages: append(exchange(0, 1000).Messages, second.Messages...),
	}, load(t, s, "o", "conv_1"))
}

func keepsContent(t *testing.T, s Full) {
	odd := "ü 漢字 👩‍👩‍👧 \u2028 \x00 \" \\ </script> \r\n\t ﷽"
	m := store.Message{At: 5, Message: translate.Message{Role: translate.RoleAssistant, Name: odd, Parts: []translate.Part{
		{Kind: translate.PartText, Text: odd, Cache: json.RawMessage(`{"type": "ephemeral"}`)},
		{Kind: translate.PartImage, URL: "https://example.org/?a=1&b=<2>", Detail: "low"},
		{Kind: translate.PartImage, MediaType: "image/png", Data: "AAAA"},
		{Kind: translate.PartReasoning, Text: "hm", Signature: "sig=="},
		{Kind: translate.PartToolCall, ID: "call_1", Name: "f", Args: `{"a": 1}`},
		{Kind: translate.PartToolResult, ID: "call_1", Text: odd, Failed: true},
		{Kind: translate.PartMedia, Text: "ref", MediaType: "voice"},
		{Kind: translate.PartText},
	}}}
	none := store.Message{At: 6, Message: translate.Message{Role: translate.RoleTool}}
	c := &store.Conversation{ID: odd, Owner: odd, Key: odd, User: odd, Group: odd, Name: odd}
	must(t, s.Append(t.Context(), c, store.Turn{Messages: []store.Message{m, none}, Model: odd, At: 6}))
	same(t, "loaded", &store.Conversation{
		ID: odd, Owner: odd, Num: 1, Key: odd, User: odd, Group: odd, Name: odd, Model: odd,
		Created: 6, Updated: 6, Messages: []store.Message{m, none},
	}, load(t, s, odd, odd))
	bad := store.Turn{Messages: []store.Message{{Message: translate.Message{Parts: []translate.Part{{Kind: 99}}}}}, At: 7}
	if err := s.Append(t.Context(), c, bad); err == nil {
		t.Error("a part of a kind that does not exist was taken")
	}
}

func keepsBigMessages(t *testing.T, s Full) {
	big := strings.Repeat("0123456789abcde\n", 1<<16)
	c := &store.Conversation{ID: "conv_1", Owner: "o"}
	must(t, s.Append(t.Context(), c, store.Turn{Messages: []store.Message{text(translate.RoleUser, big, 1)}, At: 1}))
	if got := load(t, s, "o", "conv_1").Messages[0].Text(); got != big {
		t.Errorf("%d bytes came back as %d", len(big), len(got))
	}
}

func setsFields(t *testing.T, s Full) {
	kept := []store.Message{text(translate.RoleUser, "the caller's own", 1)}
	c := &store.Conversation{ID: "conv_1", Owner: "o", Messages: kept}
	must(t, s.Append(t.Context(), c, store.Turn{Model: "a", At: 10}))
	same(t, "after the first", &store.Conversation{ID: "conv_1", Owner: "o", Num: 1, Model: "a", Created: 10, Updated: 10, Messages: kept}, c)
	must(t, s.Append(t.Context(), c, store.Turn{Model: "b", At: 20}))
	same(t, "after the second", &store.Conversation{ID: "conv_1", Owner: "o", Num: 1, Model: "b", Created: 10, Updated: 20, Messages: kept}, c)
	if got := load(t, s, "o", "conv_1"); len(got.Messages) != 0 {
		t.Errorf("turns without messages left %d", len(got.Messages))
	}
}

func appendsToNothing(t *testing.T, s Full) {
	c := &store.Conversation{ID: "conv_1", Owner: "o", Num: 1, Created: 1}
	is(t, "Append", s.Append(t.Context(), c, exchange(0, 1)), store.ErrNotFound)
	c = create(t, s, store.Conversation{ID: "conv_1", Owner: "o"}, 1)
	must(t, s.Delete(t.Context(), "o", "conv_1"))
	is(t, "Append to a deleted one", s.Append(t.Context(), c, exchange(0, 1)), store.ErrNotFound)
}

func takesOnce(t *testing.T, s Full) {
	create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Num: 7, Key: "k"}, 1)
	for what, c := range map[string]store.Conversation{
		"the id":                  {ID: "conv_1", Owner: "o"},
		"the id of another owner": {ID: "conv_1", Owner: "p"},
		"the number":              {ID: "conv_2", Owner: "o", Num: 7},
		"the key":                 {ID: "conv_2", Owner: "o", Key: "k"},
	} {
		was := c
		is(t, what, s.Append(t.Context(), &c, exchange(0, 1)), store.ErrExists)
		same(t, what, was, c)
	}
	create(t, s, store.Conversation{ID: "conv_3", Owner: "p", Num: 7, Key: "k"}, 1)
	create(t, s, store.Conversation{ID: "conv_4", Owner: "o"}, 1)
	create(t, s, store.Conversation{ID: "conv_5", Owner: "o"}, 1) // no key twice is no clash
	must(t, s.Delete(t.Context(), "o", "conv_1"))
	create(t, s, store.Conversation{ID: "conv_6", Owner: "o", Key: "k"}, 1)
}

func failsWhole(t *testing.T, s Full) {
	create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Key: "k"}, 1)
	is(t, "Append", s.Append(t.Context(), &store.Conversation{ID: "conv_2", Owner: "o", Num: 50, Key: "k"}, exchange(1, 2)), store.ErrExists)
	if _, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_2"}, store.Window{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the refused conversation: %v", err)
	}
	_, total, err := s.List(t.Context(), store.Filter{Owner: "o"})
	if err != nil || total != 1 {
		t.Errorf("%d conversations, %v", total, err)
	}
}

func numbers(t *testing.T, s Full) {
	reserved, err := s.Number(t.Context(), "o")
	must(t, err)
	c := create(t, s, store.Conversation{ID: "conv_a", Owner: "o"}, 1)
	d := create(t, s, store.Conversation{ID: "conv_b", Owner: "o", Num: reserved}, 1)
	same(t, "numbers", []int64{1, 2, 1}, []int64{reserved, c.Num, d.Num})
	create(t, s, store.Conversation{ID: "conv_c", Owner: "o", Num: 40}, 1)
	must(t, s.Delete(t.Context(), "o", "conv_c"))
	e := create(t, s, store.Conversation{ID: "conv_d", Owner: "o"}, 1)
	must(t, s.Delete(t.Context(), "o", ""))
	f := create(t, s, store.Conversation{ID: "conv_e", Owner: "o"}, 1)
	other := create(t, s, store.Conversation{ID: "conv_f", Owner: "p"}, 1)
	same(t, "numbers after deletes", []int64{41, 42, 1}, []int64{e.Num, f.Num, other.Num})
	if err := s.Append(t.Context(), &store.Conversation{ID: "conv_g", Owner: "o", Num: -1}, exchange(0, 1)); err == nil {
		t.Error("the number -1 was taken")
	}
}

func numbersTogether(t *testing.T, s Full) {
	const each = 8
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[int64]int{}
	for i := range 64 {
		wg.Go(func() {
			for j := range each {
				c := store.Conversation{ID: fmt.Sprintf("conv_%d_%d", i, j), Owner: "o"}
				var err error
				if j%2 == 0 {
					c.Num, err = s.Number(t.Context(), "o")
				} else {
					err = s.Append(t.Context(), &c, exchange(0, 1))
				}
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				seen[c.Num]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for n := int64(1); n <= 64*each; n++ {
		if seen[n] != 1 {
			t.Fatalf("number %d was given out %d times", n, seen[n])
		}
	}
}

// together lets 64 callers write to their own conversation and to one that is
// everybody's, while they read both.
func together(t *testing.T, s Full) {
	const each = 5
	shared := create(t, s, store.Conversation{ID: "conv_all", Owner: "o"}, 1)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			own := &store.Conversation{ID: fmt.Sprintf("conv_%d", i), Owner: "o"}
			all := *shared
			for j := range each {
				err := s.Append(t.Context(), own, exchange(j, 1))
				for err == nil {
					if err = s.Append(t.Context(), &all, exchange(i, 1)); !errors.Is(err, store.ErrConflict) {
						break
					}
					all.Version, err = s.Version(t.Context(), "o", "conv_all")
				}
				if err != nil {
					t.Error(err)
					return
				}
				if c, err := s.Load(t.Context(), "o", store.Ref{ID: own.ID}, store.Window{}); err != nil || len(c.Messages) != 2*(j+1) {
					t.Errorf("own conversation after %d turns: %+v, %v", j+1, c, err)
				}
				c, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_all"}, store.Window{})
				if err != nil {
					t.Error(err)
					return
				}
				whole(t, c)
			}
		})
	}
	wg.Wait()
	if c := load(t, s, "o", "conv_all"); len(c.Messages) != 2+2*64*each {
		t.Errorf("%d messages, want %d", len(c.Messages), 2+2*64*each)
	}
}

// whole checks that every question is followed by its own answer.
func whole(t testing.TB, c *store.Conversation) {
	t.Helper()
	if len(c.Messages)%2 != 0 {
		t.Errorf("%s has half a turn: %d messages", c.ID, len(c.Messages))
		return
	}
	for i := 0; i < len(c.Messages); i += 2 {
		q, a := c.Messages[i].Text(), c.Messages[i+1].Text()
		if strings.TrimPrefix(q, "question ") != strings.TrimPrefix(a, "answer ") {
			t.Errorf("%s: %q is answered by %q", c.ID, q, a)
			return
		}
	}
}

// failsAlone mixes changes that must fail among others that must not.
func failsAlone(t *testing.T, s Full) {
	create(t, s, store.Conversation{ID: "conv_x", Owner: "o", Key: "k"}, 1)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 4 {
				id := fmt.Sprintf("conv_%d_%d", i, j)
				if i%2 == 0 {
					is(t, "a taken key", s.Append(t.Context(), &store.Conversation{ID: id, Owner: "o", Key: "k"}, exchange(0, 1)), store.ErrExists)
					continue
				}
				if err := s.Append(t.Context(), &store.Conversation{ID: id, Owner: "o"}, exchange(0, 1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	page, total, err := s.List(t.Context(), store.Filter{Owner: "o"})
	if err != nil || total != 1+32*4 || len(page) != total {
		t.Errorf("%d of %d conversations, want %d; %v", len(page), total, 1+32*4, err)
	}
}
