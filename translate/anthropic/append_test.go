package anthropic

import (
	"encoding/json"
	"errors"
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

func TestAQuestionOfWhichNothingIsLeftIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "  ", "\n\n", "\u00a0\t"} {
		_, err := Dialect.AppendRequest(nil, &translate.Request{Model: "m", Messages: []translate.Message{translate.TextMessage(translate.RoleUser, text)}})
		var e *translate.Error
		if !errors.As(err, &e) || e.Code != translate.CodeValidation {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWhatTheVendorRefusesOfTextsIsMended(t *testing.T) {
	t.Parallel()
	user, model := translate.TextMessage(translate.RoleUser, "a"), func(s string) translate.Message { return translate.TextMessage(translate.RoleAssistant, s) }
	off, on := -1, 3
	for want, req := range map[string]translate.Request{
		`[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"text","text":"well,"}]}]`:                                                      {Messages: []translate.Message{user, model("well, \n")}},
		`[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"a"}]}]`:                                                                                           {Messages: []translate.Message{user, model("\n\n"), user}},
		`[{"role":"user","content":[{"type":"text","text":"a"}]}]`:                                                                                                                      {Messages: []translate.Message{user, model("  ")}, Params: translate.Params{TopK: &off}},
		`[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"text","text":" b "}]},{"role":"user","content":[{"type":"text","text":"a"}]}]`: {Messages: []translate.Message{user, model(" b "), user}, Params: translate.Params{TopK: &on}},
	} {
		req.Model = "m"
		got, err := Dialect.AppendRequest(nil, &req)
		if err != nil || !strings.Contains(string(got), `"messages":`+want) || strings.Contains(string(got), `"top_k"`) != (req.Params.TopK == &on) {
			t.Errorf("%v %s, want %s", err, got, want)
		}
	}
}
