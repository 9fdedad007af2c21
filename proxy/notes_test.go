package proxy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Whoever is refused thousands of times a minute reads none of it: what is refused must
// not fill the disk.
func TestWhatIsRefusedFillsNoConversation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, conf(backend("a")), map[string][]script{"a": {says("1")}})
		stored, long := 0, strings.Repeat("x", 2000)
		note := func(key string, head int) error {
			t.Helper()
			id := talkOf(key)
			if head > 0 {
				id.Make.Messages = []store.Message{unsaid(translate.RoleSystem, strings.Repeat("h", head))}
			}
			u, err := w.g.Enqueue(t.Context(), alice, id)
			if err != nil {
				t.Fatal(err)
			}
			_, err = u.Note(t.Context(), conversation.Note{Text: "[no]", Question: []store.Message{unsaid(translate.RoleUser, long)}})
			if err == nil {
				stored += len(long) + head
			} else if !errors.Is(err, conversation.ErrUnnoted) {
				t.Fatal(err)
			}
			return err
		}
		for range 2000 {
			_ = note("k", 0)
		}
		if stored < 64<<10 || stored > 256<<10 {
			t.Errorf("of 2,000 refusals in a moment %d bytes are stored", stored)
		}
		if w.g.Conversations().MayNote(alice.Name) {
			t.Error("there may be more")
		}
		w.ask(t.Context(), w.onScreenOf("k", "good")).mustSay(t, "1")

		// A minute later there is room for one, however long it is, and for no other.
		time.Sleep(time.Minute)
		stored = 0
		for i := range 20 {
			_ = note("n"+string(rune('a'+i)), 3<<20)
		}
		if stored < 3<<20 || stored > 4<<20 {
			t.Errorf("a minute later %d bytes of heads are stored", stored)
		}
		time.Sleep(10 * time.Hour)
		if err := note("k", 0); err != nil {
			t.Errorf("much later: %v", err)
		}
	})
}
