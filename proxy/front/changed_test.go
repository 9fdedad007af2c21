package front_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// TestAConversationThatIsChangedElsewhereUnderAnAnswerEndsItInEveryDialectWithoutAnEndMark
// adds a turn to the store while another is answered, as another process would.
func TestAConversationThatIsChangedElsewhereUnderAnAnswerEndsItInEveryDialectWithoutAnEndMark(t *testing.T) {
	t.Parallel()
	elsewhere := func(text string) store.Message {
		return store.Message{Message: translate.TextMessage(translate.RoleUser, text), At: 1}
	}
	for _, makes := range world.Fronts {
		for _, stream := range []bool{false, true} {
			w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo-slow-50"))
			c := makes(w, key)
			front := c.Front()
			if stateless(front) || stream && !c.Streams() {
				c.Close(t)
				continue // nothing is stored
			}
			t.Run(fmt.Sprint(front, " stream ", stream), func(t *testing.T) {
				if r := world.Put(t, c, world.Ask{Model: "echo-slow-50", Text: "one", Stream: stream}); r.Failed || !r.Ended {
					t.Fatal(r.Outcome())
				}
				page, _, err := w.Store.List(t.Context(), store.Filter{Owner: "alice"})
				if err != nil || len(page) != 1 {
					t.Fatalf("%+v, %v", page, err)
				}
				stored := func() *store.Conversation {
					t.Helper()
					conv, err := w.Store.Load(t.Context(), "alice", store.Ref{ID: page[0].ID}, store.Window{})
					if err != nil {
						t.Fatal(err)
					}
					return conv
				}
				w.Eventually(t, "the model is left", func() bool { return w.Model.Active() == 0 })
				turn := c.Begin(t, world.Ask{Model: "echo-slow-50", Text: "two", Stream: stream})
				w.Eventually(t, "the model is asked", func() bool { return w.Model.Active() == 1 })
				if err := w.Store.Append(t.Context(), stored(), store.Turn{Model: "echo", At: 2, Messages: []store.Message{elsewhere("elsewhere")}}); err != nil {
					t.Fatal(err)
				}
				for turn.Next(t) {
				}
				r := turn.Reply()
				if !r.Failed || r.Ended || !strings.Contains(r.Message, "changed elsewhere") {
					t.Errorf("%s, %q", r.Outcome(), r.Message)
				}
				noted := 0 // what the client has on the screen
				if front == "chatnio" {
					noted = 2
				}
				if n := len(stored().Messages); n != 3+noted {
					t.Errorf("%d messages are stored", n)
				}
				if r := world.Put(t, c, world.Ask{Model: "echo-slow-50", Text: "three", Stream: stream}); r.Failed || !strings.Contains(r.Text, "(n=4)") {
					t.Errorf("the next question: %s", r.Outcome())
				}
				if n := len(stored().Messages); n != 5+noted {
					t.Errorf("then %d messages are stored", n)
				}
			})
			c.Close(t)
		}
	}
}
