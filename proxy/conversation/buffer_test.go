package conversation

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
	}{{"x", bufferMessages}, {strings.Repeat("x", 100<<10), bufferBytes / (100 << 10)}} {
		kept := buffer{messages: []store.Message{unsaid(translate.RoleSystem, "be brief")}}
		for i := range 2 * bufferMessages {
			kept.add(&store.Turn{Messages: []store.Message{unsaid(translate.RoleUser, fmt.Sprint(i, c.each))}}, -1, bufferBytes, false)
		}
		msgs := kept.messages
		if n := len(msgs) - 1; n > c.most || n < c.most-1 || msgs[0].Text() != "be brief" || kept.weight != weigh(msgs) || n+kept.gone != 2*bufferMessages {
			t.Errorf("%d messages are kept, want %d, and %d are gone; the first is %.10q", n, c.most, kept.gone, msgs[0].Text())
		}
		if last := fmt.Sprint(2*bufferMessages-1, c.each); msgs[len(msgs)-1].Text() != last {
			t.Error("the newest message is gone")
		}
	}
}

func TestAChatThatIsNotStoredKeepsTheWindowOfItsQuestions(t *testing.T) {
	t.Parallel()
	kept := buffer{messages: []store.Message{unsaid(translate.RoleSystem, "be brief")}}
	for i := range bufferMessages {
		kept.add(&store.Turn{Messages: []store.Message{unsaid(translate.RoleUser, fmt.Sprint(i))}}, 3, bufferBytes, false)
	}
	if n := len(kept.messages); n != 1+3+spare || kept.messages[0].Text() != "be brief" {
		t.Errorf("%d are kept", n)
	}
}

func TestSystemTextsOfAChatThatIsNotStoredAreBoundedToo(t *testing.T) {
	t.Parallel()
	var kept buffer
	for range 100 {
		kept.edit(Edit{Insert: []store.Message{unsaid(translate.RoleSystem, strings.Repeat("x", 100<<10))}}, bufferBytes)
	}
	if n := len(kept.messages) * (100 << 10); n > bufferBytes || n == 0 {
		t.Errorf("%d bytes are kept", n)
	}
}

// A client counts what has fallen off as well.
func TestAnEditOfWhatFellOffDoesNothingAndOthersFindTheirMessage(t *testing.T) {
	t.Parallel()
	begin := func() (kept buffer, all []store.Message) {
		kept.edit(Edit{Insert: []store.Message{unsaid(translate.RoleSystem, "s0"), unsaid(translate.RoleSystem, "s1")}}, bufferBytes)
		all = append(all, kept.messages...)
		for i := range 40 {
			m := unsaid(translate.RoleUser, fmt.Sprint(i))
			kept.add(&store.Turn{Messages: []store.Message{m}}, 2, bufferBytes, false)
			all = append(all, m)
		}
		return kept, all
	}
	check := func(what string, kept buffer, all []store.Message) {
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
		kept.edit(Edit{Set: &SetText{Index: i, Text: "new"}}, bufferBytes)
		check(fmt.Sprint("a new text for ", i), kept, Edit{Set: &SetText{Index: i, Text: "new"}}.Apply(all))
		kept, all = begin()
		kept.edit(Edit{Remove: &i}, bufferBytes)
		all = Edit{Remove: &i}.Apply(all)
		check(fmt.Sprint("without ", i), kept, all)
		more := Edit{Insert: []store.Message{unsaid(translate.RoleAssistant, "before")}}
		kept.edit(more, bufferBytes)
		check(fmt.Sprint("with one before, without ", i), kept, more.Apply(all))
	}
}
