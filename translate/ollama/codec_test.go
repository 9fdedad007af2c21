package ollama

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func ptr[T any](v T) *T { return &v }

// full is a request that uses everything this dialect can say.
func full() *translate.Request {
	return &translate.Request{
		Dialect: "ollama", Model: "llama3.2:3b", Stream: true,
		Messages: []translate.Message{
			translate.TextMessage(translate.RoleSystem, "Be brief."),
			{Role: translate.RoleUser, Parts: []translate.Part{
				{Kind: translate.PartText, Text: "What is \"this\"?\n\u2028"},
				{Kind: translate.PartImage, MediaType: "image/png", Data: "iVBORw0KGgo="},
				{Kind: translate.PartImage, MediaType: "image/jpeg", Data: "/9j/4AAQ"},
			}},
			{Role: translate.RoleAssistant, Parts: []translate.Part{
				{Kind: translate.PartReasoning, Text: "Hm."},
				{Kind: translate.PartText, Text: "Let me look."},
				{Kind: translate.PartToolCall, ID: "call_1", Name: "look", Args: `{"at":"it"}`},
				{Kind: translate.PartToolCall, ID: "call_2", Name: "now", Args: `{}`},
			}},
			{Role: translate.RoleTool, Parts: []translate.Part{
				{Kind: translate.PartToolResult, ID: "call_1", Text: "a cat"},
				{Kind: translate.PartImage, MediaType: "image/png", Data: "iVBORw0KGgo="},
				{Kind: translate.PartToolResult, ID: "call_2", Text: "noon"},
			}},
			translate.TextMessage(translate.RoleUser, "Well?"),
		},
		Tools: []translate.Tool{
			{Name: "look", Description: "Looks.", Schema: json.RawMessage(`{"type":"object"}`)},
			{Name: "now"},
		},
		Params: translate.Params{
			MaxTokens: ptr(900), Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr(40), PresencePenalty: ptr(0.1), FrequencyPenalty: ptr(-0.1), RepetitionPenalty: ptr(1.1), Seed: ptr(int64(7)),
			Stop: []string{"END"}, ReasoningEffort: "high", Logprobs: true, TopLogprobs: ptr(3),
			ResponseFormat: json.RawMessage(`{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"string"}}}`),
		},
	}
}

// script is an answer that uses everything that this dialect can say.
func script() []translate.Event {
	text := func(k translate.Kind, s string) translate.Event { return translate.Event{Kind: k, Text: []byte(s)} }
	used := translate.Usage{Input: 10, Output: 20}
	return []translate.Event{
		{Kind: translate.KindStart, Name: []byte("llama3.2:3b")},
		text(translate.KindReasoning, "Hm. "), text(translate.KindReasoning, "Yes."),
		text(translate.KindText, "A \"cat\"\n"), text(translate.KindText, " sits."),
		{Kind: translate.KindToolStart, ID: []byte("call_1"), Name: []byte("look")},
		{Kind: translate.KindToolArgs, Text: []byte(`{"at":"it"}`)},
		{Kind: translate.KindToolStart, Index: 1, ID: []byte("call_2"), Name: []byte("now")},
		{Kind: translate.KindToolArgs, Index: 1, Text: []byte(`{}`)},
		{Kind: translate.KindUsage, Usage: used},
		{Kind: translate.KindFinish, Finish: translate.FinishTool, Reason: translate.ReasonGiven, Usage: used},
	}
}

func TestBadRequestsAreRefusedByTheNameOfTheField(t *testing.T) {
	t.Parallel()
	message := func(m string) string { return `{"model":"m","messages":[` + m + `]}` }
	codectest.Invalid(t, Dialect, map[string]string{
		``: "JSON", `null`: "must be a JSON object", `{}`: "model is required", `{"model":"m"}`: "messages is required", `{"model":"m","messages":[]}`: "must not be empty",
		`{"model":"m","messages":5}`:                 "messages has the wrong type",
		`{"model":"m","prompt":"x"}`:                 "/api/generate",
		`{"model":"m","input":"x"}`:                  "/v1/responses",
		`{"model":"m","contents":[]}`:                "generateContent",
		`{"model":"m","message":"x"}`:                "rest front",
		`{"model":5}`:                                "model has the wrong type",
		message(`{"content":"x"}`):                   "messages[0].role must be",
		message(`{"role":"developer","content":""}`): "messages[0].role must be",
		message(`{"role":"user","content":[]}`):      "messages[0].content",
		message(`{"role":"user","images":"x"}`):      "messages[0].images",
		message(`{"role":"user","content":"x","images":["http://a.example/b.png"]}`):                            "must be an image in base64",
		message(`{"role":"assistant","tool_calls":[{"function":{}}]}`):                                          "messages[0].tool_calls[0].function.name is required",
		message(`{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":5}}]}`):                  "arguments must be an object",
		`{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"function":{}}]}`:                    "tools[0].function.name is required",
		`{"model":"m","messages":[{"role":"user","content":"x"}],"format":5}`:                                   "format must be json or a JSON schema",
		`{"model":"m","messages":[{"role":"user","content":"x"}],"think":5}`:                                    "think must be",
		`{"model":"m","messages":[{"role":"user","content":"x"}],"options":{"temperature":"hot"}}`:              "options.temperature",
		`{"model":"m","messages":[{"role":"user","content":"x"}],"options":[]}`:                                 "options has the wrong type",
		`{"model":"m","messages":[{"role":"user","content":"x"}],"options":{"stop":[5]}}`:                       "options.stop",
		`{"model":"` + strings.Repeat("m", 257) + `","messages":[{"role":"user","content":"x"}]}`:               "at most 256",
		message(`{"role":"tool","content":"x","tool_call_id":"` + strings.Repeat("m", 257) + `"}`):              "messages[0].tool_call_id",
		message(`{"role":"assistant","tool_calls":[{"function":{"name":"` + strings.Repeat("f", 129) + `"}}]}`): "at most 128",
	})
}

func TestAPromptIsAQuestionBehindItsInstruction(t *testing.T) {
	t.Parallel()
	req := translate.Request{}
	if err := Dialect.(translate.Pather).FromPath(&req, "/ollama/api/generate", ""); err != nil || !req.Prompt {
		t.Fatal(err, req.Prompt)
	}
	body := `{"model":"m","prompt":"Why?","system":"Be brief.","images":["data:image/PNG;base64,QUJD","R0lGODlh"],"suffix":"x","template":"","context":[1,2],"raw":true,"keep_alive":"5m","options":{"num_ctx":4096,"num_predict":-1,"stop":"END"},"format":"json","think":true}`
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	want := []translate.Message{translate.TextMessage(translate.RoleSystem, "Be brief."), {Role: translate.RoleUser, Parts: []translate.Part{
		{Kind: translate.PartText, Text: "Why?"}, {Kind: translate.PartImage, MediaType: "image/png", Data: "QUJD"}, {Kind: translate.PartImage, MediaType: "image/gif", Data: "R0lGODlh"},
	}}}
	if diff := cmp.Diff(want, req.Messages); diff != "" {
		t.Error(diff)
	}
	p := req.Params
	if diff := cmp.Diff([]string{"suffix", "context", "raw", "options.num_ctx"}, req.Dropped); diff != "" || !req.Stream || p.MaxTokens != nil || p.ReasoningEffort != "medium" || !slices.Equal(p.Stop, []string{"END"}) || string(p.ResponseFormat) != `{"type":"json_object"}` {
		t.Errorf("%s %+v", diff, req)
	}
	req.PassThrough, req.Model = true, "ours"
	got, err := Dialect.AppendRequest(nil, &req)
	if path := string(Dialect.(translate.Pather).AppendPath(nil, &req)); err != nil || path != "/api/generate" || string(got) != strings.Replace(body, `"m"`, `"ours"`, 1) {
		t.Errorf("%s %s %v", path, got, err)
	}
	req.PassThrough = false
	if path := string(Dialect.(translate.Pather).AppendPath(nil, &req)); path != "/api/chat" {
		t.Errorf("a prompt that is translated is put to %s", path)
	}
	for body, word := range map[string]string{`{"model":"m"}`: "prompt is required", `{"model":"m","messages":[]}`: "/api/chat", `{"model":"m","prompt":5}`: "prompt"} {
		err := Dialect.DecodeRequest(&translate.Request{Prompt: true}, []byte(body))
		if !codectest.IsValidation(err) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", body, err)
		}
	}
	var glance translate.Request
	glance.Prompt = true
	if !Dialect.(translate.RoutingScanner).ScanRouting(&glance, []byte(`{"model":"m","prompt":"q"}`)) || !glance.Stream {
		t.Errorf("%+v", glance)
	}
}

// Clients of prompts read a completion: its members are others, and calls have no place there.
func TestAPromptIsAnsweredAsACompletion(t *testing.T) {
	t.Parallel()
	enc := Dialect.NewEncoder(&translate.Request{Prompt: true}, translate.Envelope{Created: 1700000000123})
	var out []byte
	var answer translate.Answer
	for _, ev := range script() {
		out = enc.Append(out, ev)
		answer.Add(ev)
	}
	const head = `{"model":"llama3.2:3b","created_at":"2023-11-14T22:13:20.123Z",`
	want := head + `"response":"","thinking":"Hm. ","done":false}
` + head + `"response":"","thinking":"Yes.","done":false}
` + head + `"response":"A \"cat\"\n","done":false}
` + head + `"response":" sits.","done":false}
` + head + `"response":"","done":true,"done_reason":"stop","prompt_eval_count":10,"eval_count":20}
`
	if diff := cmp.Diff(want, string(enc.AppendTail(out))); diff != "" {
		t.Error(diff)
	}
	enc = Dialect.NewEncoder(&translate.Request{Prompt: true}, translate.Envelope{Created: 1700000000123})
	want = head + `"response":"A \"cat\"\n sits.","thinking":"Hm. Yes.","done":true,"done_reason":"stop","prompt_eval_count":10,"eval_count":20}`
	if diff := cmp.Diff(want, string(enc.AppendWhole(nil, &answer))); diff != "" {
		t.Error(diff)
	}
}

func TestTheDurationsAreThoseOfTheAnswer(t *testing.T) {
	t.Parallel()
	var now time.Duration
	enc := Dialect.NewEncoder(&translate.Request{Model: "m"}, translate.Envelope{Since: func() time.Duration { return now }})
	enc.Append(nil, translate.Event{Kind: translate.KindStart})
	now = 200 * time.Millisecond
	enc.Append(nil, codectest.Text("a"))
	now = 300 * time.Millisecond
	enc.Append(nil, codectest.Text("b"))
	now = time.Second
	if got := string(enc.AppendTail(nil)); !strings.Contains(got, `"total_duration":1000000000,"prompt_eval_duration":200000000,"eval_duration":800000000}`) {
		t.Error(got)
	}
}

// A client that gives no ids has its calls and results told apart by their names and their order.
func TestCallsWithoutIdsFindTheirResults(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{}}},{"function":{"name":"g"}},{"function":{"name":"f","arguments":"{\"a\":1}"}}]},
		{"role":"tool","content":"1","tool_name":"f"},{"role":"tool","content":"3","tool_name":"g"},{"role":"tool","content":"2"},{"role":"tool","content":"4","name":"h"}]}`
	var req translate.Request
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	calls, results := req.Messages[1].Parts, req.Messages[2].Parts
	if len(req.Messages) != 3 || len(results) != 4 || calls[0].ID != results[0].ID || calls[1].ID != results[1].ID || calls[2].ID != results[2].ID || results[3].ID == "" || calls[2].Args != `{"a":1}` {
		t.Errorf("%+v", req.Messages)
	}
	sent, err := Dialect.AppendRequest(nil, &req)
	if err != nil || strings.Contains(string(sent), `"id"`) || strings.Contains(string(sent), "tool_call_id") {
		t.Errorf("%v, an id that nobody gave is sent: %s", err, sent)
	}
}

func TestWhatCannotBeSaidIsNoted(t *testing.T) {
	t.Parallel()
	req := full()
	req.Dialect, req.User = "anthropic", "u"
	req.ToolChoice = translate.ToolChoice{Mode: translate.ToolNamed, Name: "look", NoParallel: true}
	req.Params.ReasoningEffort, req.Params.ReasoningBudget = "", 5000
	req.Params.ResponseFormat = json.RawMessage(`{"type":"grammar"}`)
	req.Tools[0].Strict = true
	req.Messages[1].Parts = append(req.Messages[1].Parts, translate.Part{Kind: translate.PartImage, URL: "https://a.example/b.png"}, translate.Part{Kind: translate.PartAudio, MediaType: "wav", Data: "UklGRg=="})
	req.Messages[1].Parts[0].Cache = json.RawMessage(`{}`)
	req.Messages[3].Parts[2].Failed = true
	sent, err := Dialect.AppendRequest(nil, req)
	if err != nil || !strings.Contains(string(sent), `"think":"medium"`) {
		t.Fatal(err, string(sent))
	}
	want := []string{"cache_control", "content.input_audio", "content.image.url", "reasoning", "is_error", "tool_choice", "parallel_tool_calls", "strict", "response_format", "thinking.budget_tokens", "user"}
	if diff := cmp.Diff(want, req.Dropped); diff != "" {
		t.Error(diff)
	}
	for mode, told := range map[translate.ToolMode]bool{translate.ToolDefault: true, translate.ToolAuto: true, translate.ToolNone: false, translate.ToolRequired: true} {
		req := full()
		req.ToolChoice.Mode = mode
		if sent, err := Dialect.AppendRequest(nil, req); err != nil || strings.Contains(string(sent), `"tools"`) != told {
			t.Errorf("%v %v: %s", mode, err, sent)
		}
	}
	for effort, think := range map[string]string{"none": `"think":false`, "minimal": `"think":"low"`, "xhigh": `"think":"high"`, "low": `"think":"low"`} {
		req := full()
		req.Params.ReasoningEffort = effort
		if sent, _ := Dialect.AppendRequest(nil, req); !strings.Contains(string(sent), think) {
			t.Errorf("%s: %s", effort, sent)
		}
		req.Refuses = translate.RefusesEffort
		if sent, _ := Dialect.AppendRequest(nil, req); strings.Contains(string(sent), `"think"`) {
			t.Errorf("%s, though the model refuses it: %s", effort, sent)
		}
	}
}

func TestAStreamThatIsLabelledAsOneObjectIsRead(t *testing.T) {
	t.Parallel()
	const lines = `{"model":"m","created_at":"2023-08-04T08:52:19Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":"x"},"done":false}

{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"g","arguments":"{}"}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","eval_count":2}
`
	evs, err := Dialect.NewDecoder(&translate.Request{}).DecodeWhole(nil, 200, []byte(lines))
	var got []string
	for _, ev := range evs {
		got = append(got, codectest.Describe(ev))
	}
	want := []string{"start name=m", "tool 0 id=call_20230804085219_0 name=f", `args 0 "{\"a\":1}"`, `text "x"`, "tool 1 id=call_20230804085219_1 name=g", `args 1 "{}"`, "usage out=2", "finish tool out=2"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, body := range []string{"", "{}", "x\n{}", `{"model":"m","message":{"content":"x"},"done":false}`, `{"error":"why"}`} {
		if _, err := Dialect.NewDecoder(&translate.Request{}).DecodeWhole(nil, 200, []byte(body)); err == nil {
			t.Errorf("%q is an answer", body)
		}
	}
}

func TestFailuresAreToldInTheVendorsForm(t *testing.T) {
	t.Parallel()
	suite.Failures(t, `{"error":"why","code":"%s","request_id":"req_1"}`, []codectest.Failure{
		{Err: translate.Error{Code: translate.CodeValidation}, Status: 400, Words: "VALIDATION_ERROR"},
		{Err: translate.Error{Code: translate.CodeInvalidToken}, Status: 401, Words: "INVALID_TOKEN"},
		{Err: translate.Error{Code: translate.CodeModelNotFound}, Status: 404, Words: "MODEL_NOT_FOUND"},
		{Err: translate.Error{Code: translate.CodeModel}, Status: 502, Words: "MODEL_ERROR"},
	})
	late := Dialect.NewEncoder(&translate.Request{}, translate.Envelope{}).AppendError(nil, &translate.Error{Code: translate.CodeRateLimited, Message: "why", Retry: 2 * time.Second}, true)
	if string(late) != `{"error":"why","code":"RATE_LIMITED","retry_after":2}`+"\n" {
		t.Errorf("%s", late)
	}
}

func TestModelsAreListedAndShown(t *testing.T) {
	t.Parallel()
	var list struct {
		Models []struct{ Name, Model, Digest string }
	}
	if err := json.Unmarshal(AppendModels(nil, []string{"a", "b:7b"}), &list); err != nil || len(list.Models) != 2 || list.Models[1].Name != "b:7b" || len(list.Models[0].Digest) != 64 {
		t.Error(err, list)
	}
	for _, body := range []string{string(AppendModels(nil, nil)), string(AppendModel(nil, "a\"")), string(AppendVersion(nil))} {
		if !json.Valid([]byte(body)) {
			t.Error(body)
		}
	}
	for body, want := range map[string]string{`{"model":"a"}`: "a", `{"name":"a","verbose":true}`: "a", `{"name":"a","model":"b"}`: "b", `{}`: "", `x`: "", `{"model":5}`: ""} {
		if got, err := ModelOf([]byte(body)); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
	for name, want := range map[string]string{"a:latest": "a", "a": "", "a:7b": "", ":latest": "", "v/a:latest": "v/a"} {
		if got := Untagged(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAQuestionThatAsksNothingLoadsItsModel(t *testing.T) {
	t.Parallel()
	const head = `{"model":"m","created_at":"1970-01-01T00:00:00.001Z",`
	for body, want := range map[string][2]string{ // of a chat, of a prompt
		`{"model":"m","messages":[]}`:                              {head + `"message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}`, ""},
		`{"model":"m","messages":[],"keep_alive":0}`:               {head + `"message":{"role":"assistant","content":""},"done":true,"done_reason":"unload"}`, ""},
		`{"model":"m","keep_alive":"0s"}`:                          {"", head + `"response":"","done":true,"done_reason":"unload"}`},
		`{"model":"m","prompt":"","stream":false}`:                 {"", head + `"response":"","done":true,"done_reason":"load"}`},
		`{"model":"m","messages":[{"role":"user","content":"q"}]}`: {"", ""},
		`{"model":"m","prompt":"q"}`:                               {"", ""},
		`{"messages":[]}`:                                          {"", ""},
		`x`:                                                        {"", ""},
	} {
		for i, prompt := range []bool{false, true} {
			got := ""
			if l, ok := LoadOf([]byte(body), prompt); ok {
				got = string(l.Append(nil, 1))
			}
			if got != want[i] {
				t.Errorf("%s prompt=%v: %s, want %s", body, prompt, got, want[i])
			}
		}
	}
	for body, want := range map[string]bool{`{"messages":[]}`: true, `{"messages":{}}`: false, `{"message":"\"messages\""}`: false, `{"x":{"messages":[]}}`: false, `{"messages":[`: false} {
		if IsChat([]byte(body)) != want {
			t.Errorf("%s is a chat: %v", body, !want)
		}
	}
}

func TestTextsAreWrittenInWholeCharacters(t *testing.T) {
	t.Parallel()
	codectest.Runes(t, func() translate.Encoder { return Dialect.NewEncoder(&translate.Request{}, translate.Envelope{}) }, func(line []byte) (string, bool) {
		var o struct {
			Message struct{ Content string }
			Done    bool
		}
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatal(err)
		}
		return o.Message.Content, !o.Done
	})
}
