package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func unsaid(role translate.Role, text string) store.Message {
	return store.Message{Message: translate.TextMessage(role, text)}
}

func TestAChatThatIsNotStoredKeepsItsNewestMessagesOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		each string
		most int
	}{{"x", unstoredMessages}, {strings.Repeat("x", 100<<10), unstoredBytes / (100 << 10)}} {
		kept := unstored{messages: []store.Message{unsaid(translate.RoleSystem, "be brief")}}
		for i := range 2 * unstoredMessages {
			kept.add(&store.Turn{Messages: []store.Message{unsaid(translate.RoleUser, fmt.Sprint(i, c.each))}}, -1, unstoredBytes, false)
		}
		msgs := kept.messages
		if n := len(msgs) - 1; n > c.most || n < c.most-1 || msgs[0].Text() != "be brief" || kept.weight != weigh(msgs) || n+kept.gone != 2*unstoredMessages {
			t.Errorf("%d messages are kept, want %d, and %d are gone; the first is %.10q", n, c.most, kept.gone, msgs[0].Text())
		}
		if last := fmt.Sprint(2*unstoredMessages-1, c.each); msgs[len(msgs)-1].Text() != last {
			t.Error("the newest message is gone")
		}
	}
}

func TestAChatThatIsNotStoredKeepsTheWindowOfItsQuestions(t *testing.T) {
	t.Parallel()
	kept := unstored{messages: []store.Message{unsaid(translate.RoleSystem, "be brief")}}
	for i := range unstoredMessages {
		kept.add(&store.Turn{Messages: []store.Message{unsaid(translate.RoleUser, fmt.Sprint(i))}}, 3, unstoredBytes, false)
	}
	if n := len(kept.messages); n != 1+3+spare || kept.messages[0].Text() != "be brief" {
		t.Errorf("%d are kept", n)
	}
}

func TestSystemTextsOfAChatThatIsNotStoredAreBoundedToo(t *testing.T) {
	t.Parallel()
	var kept unstored
	for range 100 {
		kept.edit(Edit{Insert: []store.Message{unsaid(translate.RoleSystem, strings.Repeat("x", 100<<10))}}, unstoredBytes)
	}
	if n := len(kept.messages) * (100 << 10); n > unstoredBytes || n == 0 {
		t.Errorf("%d bytes are kept", n)
	}
}

// A client counts what has fallen off as well.
func TestAnEditOfWhatFellOffDoesNothingAndOthersFindTheirMessage(t *testing.T) {
	t.Parallel()
	begin := func() (kept unstored, all []store.Message) {
		kept.edit(Edit{Insert: []store.Message{unsaid(translate.RoleSystem, "s0"), unsaid(translate.RoleSystem, "s1")}}, unstoredBytes)
		all = append(all, kept.messages...)
		for i := range 40 {
			m := unsaid(translate.RoleUser, fmt.Sprint(i))
			kept.add(&store.Turn{Messages: []store.Message{m}}, 2, unstoredBytes, false)
			all = append(all, m)
		}
		return kept, all
	}
	check := func(what string, kept unstored, all []store.Message) {
		t.Helper()
		want := append(all[:kept.head:kept.head], all[kept.head+kept.gone:]...)
		if len(want) != len(kept.messages) || kept.gone == 0 {
			t.Fatalf("%s: %d are kept, %d gone of %d", what, len(kept.messages), kept.gone, len(all))
		}
		for i := range want {
			if want[i].Text() != kept.messages[i].Text() {
				t.Fatalf("%s: message %d is %q, want %q", what, i, kept.messages[i].Text(), want[i].Text())
			}
		}
	}
	for i := range 45 {
		kept, all := begin()
		kept.edit(Edit{Set: &SetText{Index: i, Text: "new"}}, unstoredBytes)
		check(fmt.Sprint("a new text for ", i), kept, Edit{Set: &SetText{Index: i, Text: "new"}}.Apply(all))
		kept, all = begin()
		kept.edit(Edit{Remove: &i}, unstoredBytes)
		all = Edit{Remove: &i}.Apply(all)
		check(fmt.Sprint("without ", i), kept, all)
		more := Edit{Insert: []store.Message{unsaid(translate.RoleAssistant, "before")}}
		kept.edit(more, unstoredBytes)
		check(fmt.Sprint("with one before, without ", i), kept, more.Apply(all))
	}
}

func TestChatsThatAreNotStoredAreBoundedTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a")), map[string][]script{"a": {says("ok")}})
		const chats = 200
		kept := make([]Thread, chats)
		for i := range kept {
			for range 3 {
				q := w.question(strings.Repeat("x", 100<<10))
				q.Turn = w.g.Unstored(&kept[i])
				w.ask(t.Context(), q).mustSay(t, "ok")
			}
		}
		bytes := 0
		for i := range kept {
			bytes += kept[i].bytes()
		}
		if r := w.g.threads; r.loose != bytes || r.held != bytes || bytes > unstoredAll+chats*(unstoredLeast+threadWeight+1000) {
			t.Errorf("%d bytes, %d and %d are counted", bytes, r.loose, r.held)
		}
		for i := range kept {
			w.g.Leave(&kept[i])
		}
		if r := w.g.threads; r.loose != 0 || r.held != 0 {
			t.Errorf("in the end %d and %d bytes are counted", r.loose, r.held)
		}
	})
}

func TestAnUnstoredConversationIsBoundedByItsTurnsAndEdits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(channel("a")), map[string][]script{"a": {says("ok")}})
		var kept Thread
		for range unstoredMessages {
			q := w.question("hi")
			q.Turn = w.g.Unstored(&kept)
			w.ask(t.Context(), q).mustSay(t, "ok")
		}
		if n := len(kept.kept.messages); n != unstoredMessages {
			t.Errorf("%d messages are kept", n)
		}
		head := make([]store.Message, 2*unstoredMessages)
		for i := range head {
			head[i] = unsaid(translate.RoleUser, "h")
		}
		if err := w.g.Edit(t.Context(), w.g.Unstored(&kept), Edit{Insert: head}); err != nil {
			t.Fatal(err)
		}
		if n := len(kept.kept.messages); n > unstoredMessages {
			t.Errorf("%d messages are kept", n)
		}
	})
}
