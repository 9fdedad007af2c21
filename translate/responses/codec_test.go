package responses

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func ptr[T any](v T) *T { return &v }

// full is a request that uses everything this dialect can say.
func full() *translate.Request {
	return &translate.Request{
		Dialect: "responses", Model: "o4-mini", Stream: true, User: "u-1",
		Messages: []translate.Message{
			translate.TextMessage(translate.RoleSystem, "Be brief."),
			translate.TextMessage(translate.RoleSystem, "Very."),
			{Role: translate.RoleUser, Parts: []translate.Part{
				{Kind: translate.PartText, Text: "What is \"this\"?\n\u2028"},
				{Kind: translate.PartImage, URL: "https://example.com/a.png", Detail: "low"},
				{Kind: translate.PartImage, MediaType: "image/png", Data: "iVBORw0KGgo="},
				{Kind: translate.PartImage, ID: "file-1", Detail: "high"},
				{Kind: translate.PartDocument, Name: "a.pdf", MediaType: "application/pdf", Data: "JVBERi0="},
				{Kind: translate.PartDocument, URL: "https://example.com/a.pdf"},
				{Kind: translate.PartDocument, ID: "file-2"},
				{Kind: translate.PartAudio, MediaType: "wav", Data: "UklGRg=="},
			}},
			{Role: translate.RoleAssistant, Parts: []translate.Part{
				{Kind: translate.PartReasoning, Text: "Hm.", Signature: translate.Seal("gAAA")},
				{Kind: translate.PartText, Text: "Let me look."},
				{Kind: translate.PartText, Text: "Now."},
				{Kind: translate.PartToolCall, ID: "call_1", Name: "look", Args: `{"at":"it"}`},
				{Kind: translate.PartToolCall, ID: "call_2", Name: "now", Args: `{}`},
			}},
			{Role: translate.RoleTool, Parts: []translate.Part{
				{Kind: translate.PartToolResult, ID: "call_1", Text: "a cat"},
				{Kind: translate.PartImage, URL: "https://example.com/cat.png", Detail: "auto"},
				{Kind: translate.PartToolResult, ID: "call_2", Text: "noon"},
			}},
			translate.TextMessage(translate.RoleUser, "Well?"),
		},
		Tools: []translate.Tool{
			{Name: "look", Description: "Looks.", Schema: json.RawMessage(`{"type":"object"}`), Strict: true}, {Name: "now"},
		},
		Params: translate.Params{
			MaxTokens: ptr(100), ReasoningEffort: "low",
			ResponseFormat: json.RawMessage(`{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object"}}}`),
		},
		Own: json.RawMessage(`{"include":["reasoning.encrypted_content"]}`),
	}
}

// script is an answer that uses everything this dialect can say.
func script() []translate.Event {
	text := func(k translate.Kind, s string) translate.Event { return translate.Event{Kind: k, Text: []byte(s)} }
	return []translate.Event{
		{Kind: translate.KindStart, ID: []byte("answer-1"), Name: []byte("m-1")},
		text(translate.KindReasoning, "Hm, \u2028"), text(translate.KindReasoning, "so."), text(translate.KindSignature, translate.Seal("gAAA")),
		text(translate.KindReasoning, "And "), text(translate.KindReasoning, "then."), text(translate.KindSignature, "of another"),
		text(translate.KindText, "Let me "), text(translate.KindText, "look."),
		{Kind: translate.KindToolStart, Index: 0, ID: []byte("call_1"), Name: []byte("look")},
		{Kind: translate.KindToolArgs, Index: 0, Text: []byte(`{"at":`)},
		{Kind: translate.KindToolArgs, Index: 0, Text: []byte(`"it"}`)},
		{Kind: translate.KindToolStart, Index: 1, ID: []byte("call_2"), Name: []byte("now")},
		{Kind: translate.KindToolArgs, Index: 1, Text: []byte(`{}`)},
		{Kind: translate.KindFinish, Finish: translate.FinishTool, Usage: translate.Usage{Input: 20, Output: 9, CacheRead: 4, CacheWrite: 2, Reasoning: 3}},
	}
}

func TestBadRequestsAreRefusedByTheNameOfTheField(t *testing.T) {
	t.Parallel()
	const in = `"input":"hi"`
	codectest.Invalid(t, Dialect, map[string]string{
		``: "JSON", `[]`: "object", `{"model":1,` + in + `}`: "model", `{` + in + `}`: "model is required",
		`{"model":"m"}`: "input is required", `{"model":"m","messages":[]}`: "for POST /v1/chat/completions", `{"model":"m","input":[]}`: "empty", `{"model":"m","input":5}`: "input must be",
		`{"model":"m","input":[{"role":"wizard","content":"x"}]}`:                                        "input[0].role",
		`{"model":"m","input":[{"content":"x"}]}`:                                                        "input[0].role is required",
		`{"model":"m","input":[{"role":"user"}]}`:                                                        "input[0].content is required",
		`{"model":"m","input":[{"role":"user","content":5}]}`:                                            "input[0].content",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]}`:                     "input[0].content[0].image_url",
		`{"model":"m","input":[{"role":"user","content":[{"text":"x"}]}]}`:                               "input[0].content[0].type",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_file"}]}]}`:                      "input[0].content[0] has neither",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_data":"data:x"}]}]}`: "file_data",
		`{"model":"m","input":[{"type":"function_call_output","output":"x"}]}`:                           "call_id",
		`{"model":"m","input":[{"type":"function_call","call_id":"a"}]}`:                                 "input[0].name",
		`{"model":"m","input":[{"type":"item_reference"}]}`:                                              "input[0].id",
		`{"model":"m","max_output_tokens":0,` + in + `}`:                                                 "max_output_tokens",
		`{"model":"m","temperature":"hot",` + in + `}`:                                                   "temperature",
		`{"model":"m","tool_choice":"maybe",` + in + `}`:                                                 "tool_choice",
		`{"model":"m","tool_choice":{"type":"function"},` + in + `}`:                                     "tool_choice.name",
		`{"model":"m","tools":[{"type":"function"}],` + in + `}`:                                         "tools[0].name",
		`{"model":"m","background":true,` + in + `}`:                                                     "background is not served",
		`{"model":"m","instructions":[],` + in + `}`:                                                     "instructions",
	})
}

func TestWhatNoOtherDialectSaysIsNotedAndKeptForItsOwn(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","include":["reasoning.encrypted_content","file_search_call.results"],"metadata":{"a":"b"},"service_tier":"flex","x":[1, 2],
		"tools":[{"type":"function","name":"f","parameters":null},{"type":"web_search"},{"type":"custom","name":"patch","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},
		{"type":"namespace","name":"crm","description":"d","tools":[{"type":"function","name":"find","parameters":{}}]}],
		"tool_choice":{"type":"web_search"},"text":{"verbosity":"low"},"reasoning":{"effort":"high","summary":"auto"},
		"input":[{"type":"web_search_call","id":"ws_1"},{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_video"}]},
		{"type":"custom_tool_call","call_id":"c","name":"patch","input":"*** \"x\""},{"type":"custom_tool_call_output","call_id":"c","output":"done"},
		{"type":"function_call","call_id":"d","namespace":"crm","name":"find","arguments":"{}"},{"type":"function_call_output","call_id":"d","output":[{"type":"input_text","text":"nobody"}]}]}`
	var req translate.Request
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	want := []string{"input.web_search_call", "content.input_video", "tools.web_search", "tool_choice.web_search", "include.file_search_call.results", "text.verbosity", "metadata", "service_tier", "x"}
	if diff := cmp.Diff(want, req.Dropped); diff != "" {
		t.Error(diff)
	}
	if got := req.Tools[1]; !got.Free || !strings.Contains(got.Description, "(lark):\nstart: x") || req.Tools[2].Name != "crm__find" {
		t.Errorf("tools: %+v", req.Tools)
	}
	if got := req.Messages[1].Parts[0].Args; got != `{"input":"*** \"x\""}` {
		t.Errorf("a custom call's arguments are %s", got)
	}
	req.Model = "n"
	out, err := Dialect.AppendRequest(nil, &req)
	if err != nil || !json.Valid(out) {
		t.Fatalf("%v: %s", err, out)
	}
	for _, said := range []string{
		`"metadata":{"a":"b"}`, `"service_tier":"flex"`, `"x":[1, 2]`, `{"type":"web_search"}`, `"tool_choice":{"type":"web_search"}`, `"text":{"verbosity":"low"}`,
		`"reasoning":{"effort":"high","summary":"auto"}`, `"include":["reasoning.encrypted_content","file_search_call.results"]`,
		`{"type":"custom_tool_call","call_id":"c","name":"patch","input":"*** \"x\""}`, `{"type":"custom_tool_call_output","call_id":"c","output":"done"}`,
		`{"type":"function_call","call_id":"d","namespace":"crm","name":"find","arguments":"{}"}`, `"store":false`,
	} {
		if !strings.Contains(string(out), said) {
			t.Errorf("a channel of the dialect is not told %s: %s", said, out)
		}
	}
	if diff := cmp.Diff([]string{"input.web_search_call", "content.input_video"}, req.Dropped); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsIncludedIsToldAsItCame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ model, include, want string }{
		{"gpt-4o", `[ "a.b" , "c" ]`, `"include":[ "a.b" , "c" ]`},
		{"gpt-5", `[ "a.b" , "c" ]`, `"include":["reasoning.encrypted_content", "a.b" , "c" ]`},
		{"gpt-5", `[ "c",	"reasoning.encrypted_content" ]`, `"include":[ "c",	"reasoning.encrypted_content" ]`},
		{"gpt-5", `[ ]`, `"include":["reasoning.encrypted_content"]`},
		{"gpt-5", `null`, `"include":["reasoning.encrypted_content"]`},
		{"gpt-4o", `null`, ``},
	} {
		var req translate.Request
		if err := Dialect.DecodeRequest(&req, []byte(`{"model":"`+c.model+`","input":[{"role":"user","content":"hi"}],"include":`+c.include+`,"x":1}`)); err != nil {
			t.Fatal(err)
		}
		got, err := Dialect.AppendRequest(nil, &req)
		if err != nil || !json.Valid(got) || !strings.Contains(string(got), c.want) || c.want == "" && strings.Contains(string(got), "include") || strings.Count(string(got), `"include"`) > 1 {
			t.Errorf("%s, %s: %s, %v", c.model, c.include, got, err)
		}
	}
}

func TestAnEndThatHasNoResponseIsNoneToAClientOfTheDialect(t *testing.T) {
	t.Parallel()
	for _, end := range []string{`{"type":"response.completed"}`, `{"type":"response.completed","response":null}`, `{"type":"response.completed","response":"x"}`} {
		for _, passes := range []bool{false, true} {
			dec := Dialect.NewDecoder(&translate.Request{Stream: true, PassThrough: passes})
			evs, err := dec.Decode(nil, []byte(`{"type":"response.output_text.delta","output_index":0,"delta":"hi"}`))
			if err == nil {
				_, err = dec.Decode(evs[:0], []byte(end))
			}
			if (err != nil) != passes {
				t.Errorf("%s, passed through %v: %v", end, passes, err)
			}
		}
	}
}
