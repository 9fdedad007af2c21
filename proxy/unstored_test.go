package proxy

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func unsaid(role translate.Role, text string) store.Message {
	return store.Message{Message: translate.TextMessage(role, text)}
}

// keptOf are the messages of a conversation that lives only in memory.
func (w *world) keptOf(kept *conversation.Thread) []store.Message {
	w.t.Helper()
	u := w.g.Conversations().Unstored(kept)
	defer u.Done()
	msgs, _, err := u.ReadAgain(w.t.Context(), -1, conversation.ReadMost)
	if err != nil {
		w.t.Fatal(err)
	}
	return msgs
}

func TestChatsThatAreNotStoredAreBoundedTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok")}})
		const chats = 200
		kept := make([]conversation.Thread, chats)
		for i := range kept {
			for range 3 {
				q := w.question(strings.Repeat("x", 100<<10))
				q.Turn = w.g.Conversations().Unstored(&kept[i])
				w.ask(t.Context(), q).mustSay(t, "ok")
			}
		}
		if s := w.g.Conversations().Stats(); s.Loose != s.Bytes || s.Loose < chats*(16<<10)/2 || s.Loose > 16<<20+chats*(16<<10+1024+1000) {
			t.Errorf("%d and %d bytes are counted", s.Loose, s.Bytes)
		}
		for i := range kept {
			w.g.Conversations().Leave(&kept[i])
		}
		if s := w.g.Conversations().Stats(); s.Loose != 0 || s.Bytes != 0 {
			t.Errorf("in the end %d and %d bytes are counted", s.Loose, s.Bytes)
		}
	})
}

func TestAnUnstoredConversationIsBoundedByItsTurnsAndEdits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("ok")}})
		const most = 256
		var kept conversation.Thread
		for range most {
			q := w.question("hi")
			q.Turn = w.g.Conversations().Unstored(&kept)
			w.ask(t.Context(), q).mustSay(t, "ok")
		}
		if n := len(w.keptOf(&kept)); n != most {
			t.Errorf("%d messages are kept", n)
		}
		head := make([]store.Message, 2*most)
		for i := range head {
			head[i] = unsaid(translate.RoleUser, "h")
		}
		if err := w.g.Conversations().Unstored(&kept).Edit(t.Context(), conversation.Edit{Insert: head}); err != nil {
			t.Fatal(err)
		}
		if n := len(w.keptOf(&kept)); n > most {
			t.Errorf("%d messages are kept", n)
		}
	})
}
