package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// A message of which nothing can be said leaves no trace, wherever it stands.
func TestAMessageOfWhichNothingCanBeSaidIsLeftOut(t *testing.T) {
	t.Parallel()
	user, silent := translate.TextMessage(translate.RoleUser, "a"), translate.TextMessage(translate.RoleAssistant, "")
	for want, msgs := range map[string][]translate.Message{
		`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"a"}]}]`:                                  {silent, user, silent, user, silent},
		`"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]`:                                                             {user, silent},
		`"messages":[{"role":"assistant","content":[{"type":"text","text":"b"}]},{"role":"user","content":[{"type":"text","text":"a"}]}]`: {silent, translate.TextMessage(translate.RoleAssistant, "b"), silent, user},
	} {
		got, err := Dialect.AppendRequest(nil, &translate.Request{Model: "m", Messages: msgs})
		if err != nil || !json.Valid(got) || !strings.Contains(string(got), want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
