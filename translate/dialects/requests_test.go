package dialects

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// history is a conversation with all that both vendors can say.
func history() []translate.Message {
	part := func(k translate.PartKind, p translate.Part) translate.Part { p.Kind = k; return p }
	return []translate.Message{
		translate.TextMessage(translate.RoleSystem, "Be brief. "+awkward),
		{Role: translate.RoleUser, Parts: []translate.Part{
			part(translate.PartText, translate.Part{Text: awkward}),
			part(translate.PartImage, translate.Part{URL: "https://example.com/ä?b=\"c\""}),
			part(translate.PartImage, translate.Part{MediaType: "image/png", Data: "iVBORw0KGgo="}),
		}},
		{Role: translate.RoleAssistant, Parts: []translate.Part{
			part(translate.PartReasoning, translate.Part{Text: "Hm.\n漢", Signature: "c2lnbmVk"}),
			part(translate.PartText, translate.Part{Text: "Let me look. 😀"}),
			part(translate.PartToolCall, translate.Part{ID: "call_1", Name: "look", Args: `{"q":"\"x\" 漢\\"}`}),
			part(translate.PartToolCall, translate.Part{ID: "call_2", Name: "now", Args: `{}`}),
		}},
		{Role: translate.RoleTool, Parts: []translate.Part{
			part(translate.PartToolResult, translate.Part{ID: "call_1", Text: awkward}),
			part(translate.PartToolResult, translate.Part{ID: "call_2", Text: "noon"}),
		}},
		translate.TextMessage(translate.RoleAssistant, "A cat."),
		translate.TextMessage(translate.RoleUser, "Well? "+awkward),
	}
}

// told is what an upstream of up is told of history when a client of down says it.
func told(down, up string) []translate.Message {
	msgs := history()
	thought := &msgs[2].Parts
	if up == "gemini" {
		msgs[1].Parts[1].MediaType = "image/jpeg" // which an address must come with
	}
	if down == "ollama" || up == "ollama" {
		msgs[1].Parts = slices.Delete(msgs[1].Parts, 1, 2) // it has no images by address
	}
	switch {
	case down == up && slices.Contains([]string{"openai", "gemini", "ollama"}, down):
		(*thought)[0].Signature = ""
	case down != up, down == "responses": // which no server of its own has sealed
		*thought = (*thought)[1:] // see the Losses of both
	}
	return msgs
}

// sameArgs compares what arguments say: where they are objects of their own, the
// spelling of a client stays.
var sameArgs = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Args" }, cmp.Transformer("JSON", func(args string) (v any) {
	if err := json.Unmarshal([]byte(args), &v); err != nil && args != "" {
		return err.Error()
	}
	return v
}))

// The body that a client sends, read and written for the upstream and read there.
func TestAHistoryWithCallsImagesAndReasoningSurvivesBetweenTheVendors(t *testing.T) {
	t.Parallel()
	for _, down := range talkers() {
		for _, up := range talkers() {
			t.Run(down.Name()+" to "+up.Name(), func(t *testing.T) {
				t.Parallel()
				asked := translate.Request{
					Dialect: down.Name(), Model: "asked", Messages: history(),
					Tools: []translate.Tool{{Name: "look", Description: "Looks — there.", Schema: json.RawMessage(`{"type":"object"}`)}},
				}
				limit := 100
				asked.Params.MaxTokens = &limit
				body, err := down.AppendRequest(nil, &asked)
				if err != nil {
					t.Fatal(err)
				}
				for _, body := range [][]byte{body, escaped(body)} {
					var req, got translate.Request
					if err := down.DecodeRequest(&req, body); err != nil {
						t.Fatal(err)
					}
					req.Model = "asked" // which some say in their path
					sent, err := up.AppendRequest(nil, &req)
					if err != nil {
						t.Fatal(err)
					}
					if err := up.DecodeRequest(&got, sent); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(told(down.Name(), up.Name()), got.Messages, sameArgs); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
					if diff := cmp.Diff(asked.Tools, got.Tools); diff != "" {
						t.Error(diff)
					}
					if down != up && down.Name() == "anthropic" && !slices.Contains(req.Dropped, "reasoning") {
						t.Errorf("what is missing is not named: %v", req.Dropped)
					}
				}
			})
		}
	}
}

// talkers are the dialects whose requests hold a conversation.
func talkers() []translate.Dialect {
	return slices.DeleteFunc(slices.Clone(All), func(d translate.Dialect) bool {
		return !slices.Contains([]string{"openai", "anthropic", "responses", "gemini", "ollama"}, d.Name())
	})
}

func TestAQuestionSurvivesEveryPair(t *testing.T) {
	t.Parallel()
	eachPair(t, func(t *testing.T, down, up translate.Dialect) {
		limit := 100
		asked := translate.Request{Dialect: down.Name(), Model: "m", User: "u", Messages: []translate.Message{translate.TextMessage(translate.RoleUser, awkward)}}
		asked.Params.MaxTokens = &limit
		body, err := down.AppendRequest(nil, &asked)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range [][]byte{body, escaped(body)} {
			var req, got translate.Request
			if err := down.DecodeRequest(&req, body); err != nil {
				t.Fatal(err)
			}
			req.Model = "m"
			sent, err := up.AppendRequest(nil, &req)
			if err != nil {
				t.Fatal(err)
			}
			if err := up.DecodeRequest(&got, sent); err != nil {
				t.Fatal(err)
			}
			if len(got.Messages) != 1 || got.Messages[0].Role != translate.RoleUser || got.Messages[0].Text() != awkward {
				t.Errorf("%+v in %s", got.Messages, sent)
			}
		}
	})
}

// Channels that know nothing but text are told of calls and results in words, and
// what cannot be told is named.
func TestAHistoryIsToldInWordsWhereThereIsNothingElse(t *testing.T) {
	t.Parallel()
	for _, up := range All {
		if slices.Contains(talkers(), up) {
			continue
		}
		for i, want := range map[int]string{1: awkward, 2: `[tool call look {"q":"\"x\" 漢\\"}]`, 3: "[tool result] " + awkward} {
			req := translate.Request{Model: "m", Messages: history()[i : i+1]}
			sent, err := up.AppendRequest(nil, &req)
			if err != nil {
				t.Fatal(err)
			}
			var got translate.Request
			if err := up.DecodeRequest(&got, sent); err != nil {
				t.Fatal(err)
			}
			if text := got.Newest().Text(); !strings.Contains(text, want) {
				t.Errorf("%s is told %q, without %q", up.Name(), text, want)
			}
			if i == 2 && !slices.Contains(req.Dropped, "reasoning") {
				t.Errorf("%s: dropped %v", up.Name(), req.Dropped)
			}
		}
	}
}
