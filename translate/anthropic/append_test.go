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

// Servers whose calls all have one id, or the same ones in each answer, have been here before this vendor,
// which refuses a conversation with two calls of one id.
func TestNoTwoCallsAreToldWithOneId(t *testing.T) {
	t.Parallel()
	asked := func(ids ...string) (m translate.Message) {
		m.Role = translate.RoleAssistant
		for _, id := range ids {
			m.Parts = append(m.Parts, translate.Part{Kind: translate.PartToolCall, ID: id, Name: "f", Args: "{}"})
		}
		return m
	}
	answered := func(ids ...string) (m translate.Message) {
		m.Role = translate.RoleTool
		for _, id := range ids {
			m.Parts = append(m.Parts, translate.Part{Kind: translate.PartToolResult, ID: id, Text: "r"})
		}
		return m
	}
	user := translate.TextMessage(translate.RoleUser, "a")
	for want, msgs := range map[string][]translate.Message{
		"x y x y":             {user, asked("x", "y"), answered("x", "y")},
		"x x x_2 x_2":         {user, asked("x"), answered("x"), asked("x"), answered("x")},
		"x x_2 x x_2 x_3 x_3": {user, asked("x", "x"), answered("x", "x"), asked("x"), answered("x")},
		"x_2 x x_3 x x_2 x_3": {user, asked("x_2", "x", "x"), answered("x", "x_2", "x")},
		"a_b a_b_1 a_b_1 a_b": {user, asked("a.b", "a_b"), answered("a_b", "a.b")},
		"x x x":               {user, asked("x"), answered("x", "x")},
		"y":                   {user, answered("y")},
	} {
		got, err := Dialect.AppendRequest(nil, &translate.Request{Model: "m", Messages: msgs})
		var body struct {
			Messages []struct {
				Content []struct {
					ID     string `json:"id"`
					Result string `json:"tool_use_id"`
				}
			}
		}
		if err != nil || json.Unmarshal(got, &body) != nil {
			t.Fatalf("%v %s", err, got)
		}
		var ids []string
		for _, m := range body.Messages {
			for _, b := range m.Content {
				if id := b.ID + b.Result; id != "" {
					ids = append(ids, id)
				}
			}
		}
		if told := strings.Join(ids, " "); told != want {
			t.Errorf("%s, want %s", told, want)
		}
	}
}
