package openai

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func ptr[T any](v T) *T { return &v }

// msgs are the messages of a question that is about something else.
const msgs = `"messages":[{"role":"user","content":"hi"}]`

// full is a request that uses everything this dialect can say.
func full() *translate.Request {
	return &translate.Request{
		Dialect: "openai", Model: "qwen3", Stream: true, UsageInStream: true, User: "u-1",
		Messages: []translate.Message{
			translate.TextMessage(translate.RoleSystem, "Be brief."),
			{Role: translate.RoleUser, Name: "bob", Parts: []translate.Part{
				{Kind: translate.PartText, Text: "What is \"this\"?\n\u2028"},
				{Kind: translate.PartImage, URL: "https://example.com/a.png", Detail: "low"},
				{Kind: translate.PartImage, MediaType: "image/png", Data: "iVBORw0KGgo="},
			}},
			{Role: translate.RoleAssistant, Parts: []translate.Part{
				{Kind: translate.PartReasoning, Text: "Hm."},
				{Kind: translate.PartText, Text: "Let me look."},
				{Kind: translate.PartToolCall, ID: "call_1", Name: "look", Args: `{"at":"it"}`},
				{Kind: translate.PartToolCall, ID: "call_2", Name: "now", Args: `{}`},
			}},
			{Role: translate.RoleTool, Parts: []translate.Part{
				{Kind: translate.PartToolResult, ID: "call_1", Text: "a cat"},
				{Kind: translate.PartToolResult, ID: "call_2", Text: "noon"},
			}},
			translate.TextMessage(translate.RoleUser, "Well?"),
		},
		Tools: []translate.Tool{
			{Name: "look", Description: "Looks.", Schema: json.RawMessage(`{"type":"object"}`), Strict: true}, {Name: "now"},
		},
		ToolChoice: translate.ToolChoice{Mode: translate.ToolNamed, Name: "look", NoParallel: true},
		Params: translate.Params{
			MaxTokens: ptr(100), Temperature: ptr(1.5), TopP: ptr(0.9), TopK: ptr(40), PresencePenalty: ptr(0.1), FrequencyPenalty: ptr(-0.1),
			RepetitionPenalty: ptr(1.1), Seed: ptr(int64(7)), Stop: []string{"END", "\n"}, ReasoningEffort: "low",
			ResponseFormat: json.RawMessage(`{"type":"json_object"}`), Logprobs: true, TopLogprobs: ptr(2),
		},
	}
}

func TestBadRequestsAreRefusedByTheNameOfTheField(t *testing.T) {
	t.Parallel()
	codectest.Invalid(t, Dialect, map[string]string{
		``: "JSON", `[]`: "object", `{"model":1,` + msgs + `}`: "model", `{` + msgs + `}`: "model is required",
		`{"model":"m"}`: "messages is required", `{"model":"m","input":"x"}`: "for POST /v1/responses", `{"model":"m","messages":[]}`: "empty", `{"model":"m","messages":"x"}`: "messages",
		`{"model":"m","messages":[{"role":"wizard","content":"x"}]}`:                                                "messages[0].role",
		`{"model":"m","messages":[{"content":"x"}]}`:                                                                "messages[0].role is required",
		`{"model":"m","messages":[{"role":"user"}]}`:                                                                "messages[0].content is required",
		`{"model":"m","messages":[{"role":"user","content":5}]}`:                                                    "messages[0].content",
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`:                               "messages[0].content[0].image_url",
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,x"}}]}]}`: "base64",
		`{"model":"m","messages":[{"role":"tool","content":"x"}]}`:                                                  "tool_call_id",
		`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a"}]}]}`:                                 "tool_calls[0].function.name",
		`{"model":"m","n":0,` + msgs + `}`:                                                                          "n must be from 1 to 128",
		`{"model":"m","max_tokens":0,` + msgs + `}`:                                                                 "max_tokens",
		`{"model":"m","temperature":"hot",` + msgs + `}`:                                                            "temperature",
		`{"model":"m","stop":{},` + msgs + `}`:                                                                      "stop",
		`{"model":"m","tool_choice":"maybe",` + msgs + `}`:                                                          "tool_choice",
		`{"model":"m","tools":[{"type":"function"}],` + msgs + `}`:                                                  "tools[0].function.name",
	})
}

func TestSystemMessagesStayInTheirPlaceAndUnknownNamesAreNoted(t *testing.T) {
	t.Parallel()
	var req translate.Request
	body := `{"model":"m","logit_bias":{},"metadata":{},"max_completion_tokens":5,"stop":"x","messages":[
		{"role":"user","content":[{"type":"text","text":"a"},{"type":"input_audio","input_audio":{}}]},{"role":"developer","content":"b"}]}`
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	want := []translate.Message{translate.TextMessage(translate.RoleUser, "a"), translate.TextMessage(translate.RoleSystem, "b")}
	if diff := cmp.Diff(want, req.Messages); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"content.input_audio", "logit_bias", "metadata"}, req.Dropped); diff != "" {
		t.Error(diff)
	}
	if *req.Params.MaxTokens != 5 || req.Params.Stop[0] != "x" || req.Raw == nil {
		t.Errorf("%+v", req)
	}
}

func TestABodyOfTwoReadingsIsNotKept(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"model":"a","model":"b",` + msgs + `}`, `{"Model":"a",` + msgs + `}`, `{"model":"a","MODEL":"b",` + msgs + `}`,
		`{"model":"a","mod\u0065l":"b",` + msgs + `}`, `{"model":"a","ſtream":true,` + msgs + `}`,
		`{"model":"a","messages":[{"role":"user","content":"hi","content":"ho"}]}`, "{\"model\":\"a\xff\"," + msgs + "}",
	} {
		var req translate.Request
		if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if req.Raw != nil {
			t.Errorf("%s was kept", body)
		}
	}
}

func TestPassThroughReplacesTheModelAndAsksForUsage(t *testing.T) {
	t.Parallel()
	const msgs = `"messages":[{"role":"user","content":"hi"}],"x":1`
	const usage = `"stream_options":{"include_usage":true}`
	for body, want := range map[string]string{
		`{"model":"a",` + msgs + ` } `:                                                                     `{"model":"b\"",` + msgs + ` } `,
		` {` + msgs + `, "model" : "a"}`:                                                                   ` {` + msgs + `, "model" : "b\""}`,
		`{"model":"a","stream":true,` + msgs + `}`:                                                         `{"model":"b\"","stream":true,` + msgs + `,` + usage + `}`,
		`{"stream":true,` + msgs + `,"model":"a"}`:                                                         `{"stream":true,` + msgs + `,"model":"b\"",` + usage + `}`,
		`{"model":"a","stream":true,` + usage + `,` + msgs + `}`:                                           `{"model":"b\"","stream":true,` + usage + `,` + msgs + `}`,
		`{"model":"a","stream":true,"stream_options":null,` + msgs + `}`:                                   `{"model":"b\"","stream":true,` + usage + `,` + msgs + `}`,
		`{"model":"a","stream":true,"stream_options":{"include_obfuscation":false},` + msgs + `}`:          `{"model":"b\"","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},` + msgs + `}`,
		`{"model":"a","stream":true,"stream_options":{"x":[1],"include_usage":false,"y":{}},` + msgs + `}`: `{"model":"b\"","stream":true,"stream_options":{"x":[1],"include_usage":true,"y":{}},` + msgs + `}`,
		`{"stream":true,"stream_options":{ },"model":"a",` + msgs + `}`:                                    `{"stream":true,` + usage + `,"model":"b\"",` + msgs + `}`,
		`{"stream":true,"stream_options":{"include_usage":false},"model":"a",` + msgs + `}`:                `{"stream":true,` + usage + `,"model":"b\"",` + msgs + `}`,
	} {
		var req translate.Request
		if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil || req.Raw == nil {
			t.Fatalf("%s: %v", body, err)
		}
		req.Model, req.PassThrough = `b"`, true
		got, err := Dialect.AppendRequest([]byte("before"), &req)
		if err != nil || string(got) != "before"+want || req.Dropped != nil {
			t.Errorf("%s became\n%s, %v, dropped %v; want\n%s", body, got, err, req.Dropped, want)
		}
	}
}

func TestWhatCannotBeSaidIsNoted(t *testing.T) {
	t.Parallel()
	req := &translate.Request{Dialect: "anthropic", Model: "m", Messages: []translate.Message{
		{Role: translate.RoleAssistant, Parts: []translate.Part{{Kind: translate.PartReasoning, Text: "t", Signature: "s"}}},
		{Role: translate.RoleTool, Parts: []translate.Part{{Kind: translate.PartToolResult, ID: "a", Failed: true}}},
		{Role: translate.RoleUser, Parts: []translate.Part{{Kind: translate.PartText, Text: "a", Cache: json.RawMessage(`{}`)}, {Kind: translate.PartText, Text: "b"}}},
	}, Params: translate.Params{TopK: ptr(1), ReasoningBudget: 4096, Stop: []string{"1", "2", "3", "4", "5"}}}
	body, err := Dialect.AppendRequest(nil, req)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"m","messages":[{"role":"tool","tool_call_id":"a","content":""},{"role":"user","content":"a\nb"}],"stop":["1","2","3","4"],"reasoning_effort":"medium"}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	if diff := cmp.Diff([]string{"signature", "reasoning", "is_error", "cache_control", "thinking.budget_tokens", "top_k", "stop_sequences>4"}, req.Dropped); diff != "" {
		t.Error(diff)
	}
}

// script is an answer with everything that this dialect can say.
func script() []translate.Event {
	u := translate.Usage{Input: 9, Output: 4, CacheRead: 2, Reasoning: 1}
	return []translate.Event{
		{Kind: translate.KindStart, ID: []byte("answer-1"), Name: []byte("gpt")},
		{Kind: translate.KindReasoning, Text: []byte("Hm \"x\"\n")},
		{Kind: translate.KindText, Text: []byte("Let me\u2028")},
		{Kind: translate.KindText, Text: []byte(" look \\")},
		{Kind: translate.KindToolStart, Index: 0, ID: []byte("a"), Name: []byte("f")},
		{Kind: translate.KindToolArgs, Index: 0, Text: []byte(`{"x":`)},
		{Kind: translate.KindToolArgs, Index: 0, Text: []byte(`"y"}`)},
		{Kind: translate.KindToolStart, Index: 1, ID: []byte("b"), Name: []byte("g")},
		{Kind: translate.KindToolArgs, Index: 1, Text: []byte(`{}`)},
		{Kind: translate.KindUsage, Usage: u},
		{Kind: translate.KindFinish, Finish: translate.FinishTool, Usage: u},
	}
}

func TestTheUsageChunkIsHiddenFromAClientThatDidNotAsk(t *testing.T) {
	t.Parallel()
	const chunk = `{"id":"x","model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}`
	for _, asked := range []bool{true, false} {
		d := Dialect.NewDecoder(&translate.Request{PassThrough: true, Stream: true, UsageInStream: asked})
		hider := d.(interface{ Hide() bool })
		for _, f := range []string{`{"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`, chunk} {
			if _, err := d.Decode(nil, []byte(f)); err != nil {
				t.Fatal(err)
			}
			if want := f == chunk && !asked; hider.Hide() != want {
				t.Errorf("asked %v: Hide after %s = %v", asked, f, hider.Hide())
			}
		}
		evs, err := d.Decode(nil, []byte("[DONE]"))
		if err != nil || len(evs) != 1 || evs[0].Kind != translate.KindFinish || hider.Hide() || !d.Done() {
			t.Errorf("[DONE] gave %v, %v", evs, err)
		}
	}
}

func TestNonsenseFromAnUpstreamIsBroken(t *testing.T) {
	t.Parallel()
	for _, f := range []string{"garbage", `"x"`, `[1]`, `[{},{}]`, `{"choices":`} {
		var e *translate.Error
		if _, err := Dialect.NewDecoder(&translate.Request{}).Decode(nil, []byte(f)); !errors.As(err, &e) || e.Fault != translate.FaultBroken {
			t.Errorf("Decode(%q): %v", f, err)
		}
		if _, err := Dialect.NewDecoder(&translate.Request{}).DecodeWhole(nil, 200, []byte(f)); !errors.As(err, &e) || e.Fault != translate.FaultBroken {
			t.Errorf("DecodeWhole(%q): %v", f, err)
		}
	}
}

func TestEachFailureHasItsStatusAndBody(t *testing.T) {
	t.Parallel()
	suite.Failures(t, `{"error":{"message":"why","type":%s}}`, []codectest.Failure{
		{Err: translate.Error{Code: translate.CodeValidation}, Status: 400, Words: `"invalid_request_error","param":null,"code":null`},
		{Err: translate.Error{Code: translate.CodeInvalidToken}, Status: 401, Words: `"authentication_error","param":null,"code":"invalid_api_key"`},
		{Err: translate.Error{Code: translate.CodePermission}, Status: 403, Words: `"permission_error","param":null,"code":"permission_denied"`},
		{Err: translate.Error{Code: translate.CodeModelNotFound}, Status: 404, Words: `"invalid_request_error","param":null,"code":"model_not_found"`},
		{Err: translate.Error{Code: translate.CodeTooLarge}, Status: 413, Words: `"invalid_request_error","param":null,"code":"request_too_large"`},
		{Err: translate.Error{Code: translate.CodeMediaType}, Status: 415, Words: `"invalid_request_error","param":null,"code":"unsupported_media_type"`},
		{Err: translate.Error{Code: translate.CodeRateLimited}, Status: 429, Words: `"rate_limit_error","param":null,"code":"rate_limit_exceeded"`},
		{Err: translate.Error{Code: translate.CodeInternal}, Status: 500, Words: `"server_error","param":null,"code":"INTERNAL_ERROR"`},
		{Err: translate.Error{Code: translate.CodeModel}, Status: 502, Words: `"server_error","param":null,"code":"MODEL_ERROR"`},
		{Err: translate.Error{Code: translate.CodeUnavailable}, Status: 503, Words: `"server_error","param":null,"code":"CHANNEL_UNAVAILABLE"`},
		{Err: translate.Error{Code: translate.CodeModel, Timeout: true}, Status: 504, Words: `"server_error","param":null,"code":"MODEL_ERROR"`},
	})
}

func TestModelListsHaveTheVendorsForm(t *testing.T) {
	t.Parallel()
	got := string(AppendModels(nil, []Model{{ID: "a", Created: 5000, Owner: "o"}, {ID: "b"}}))
	want := `{"object":"list","data":[{"id":"a","object":"model","created":5,"owned_by":"o"},{"id":"b","object":"model","created":0,"owned_by":""}]}`
	if got != want || string(AppendModels(nil, nil)) != `{"object":"list","data":[]}` {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
