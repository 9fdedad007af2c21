package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestAChatThatIsNotStoredKeepsItsNewestMessagesOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		each string
		most int
	}{{"x", unstoredMessages}, {strings.Repeat("x", 100<<10), unstoredBytes / (100 << 10)}} {
		kept := []store.Message{{Message: translate.TextMessage(translate.RoleSystem, "be brief")}}
		for i := range 2 * unstoredMessages {
			kept = newest(append(kept, store.Message{Message: translate.TextMessage(translate.RoleUser, fmt.Sprint(i, c.each))}))
		}
		if n := len(kept) - 1; n > c.most || n < c.most-1 || kept[0].Text() != "be brief" {
			t.Errorf("%d messages are kept, want %d; the first is %.10q", len(kept), c.most, kept[0].Text())
		}
		if last := fmt.Sprint(2*unstoredMessages-1, c.each); kept[len(kept)-1].Text() != last {
			t.Error("the newest message is gone")
		}
	}
}

func TestSystemTextsOfAChatThatIsNotStoredAreBoundedToo(t *testing.T) {
	t.Parallel()
	var kept []store.Message
	for range 100 {
		kept = newest(append(kept, store.Message{Message: translate.TextMessage(translate.RoleSystem, strings.Repeat("x", 100<<10))}))
	}
	if n := len(kept) * (100 << 10); n > unstoredBytes {
		t.Errorf("%d bytes are kept", n)
	}
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
		if n := len(kept.kept); n != unstoredMessages {
			t.Errorf("%d messages are kept", n)
		}
		head := make([]translate.Message, 2*unstoredMessages)
		for i := range head {
			head[i] = translate.TextMessage(translate.RoleUser, "h")
		}
		if err := w.g.Edit(t.Context(), w.g.Unstored(&kept), Edit{Insert: head}); err != nil {
			t.Fatal(err)
		}
		if n := len(kept.kept); n != unstoredMessages || kept.kept[0].Text() == "h" {
			t.Errorf("%d messages are kept", n)
		}
	})
}
