package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/codectest"
	"github.com/dragoman-gateway/dragoman/translate"
)

func ptr[T any](v T) *T { return &v }

var mark = json.RawMessage(`{"type":"ephemeral"}`)

// full is a request that uses everything this dialect can say.
func full() *translate.Request {
	return &translate.Request{
		Dialect: "anthropic", Model: "claude-opus-4", Stream: true, User: "u-1",
		Messages: []translate.Message{
			{Role: translate.RoleSystem, Parts: []translate.Part{
				{Kind: translate.PartText, Text: "Be brief."}, {Kind: translate.PartText, Text: "Be kind.", Cache: mark},
			}},
			{Role: translate.RoleUser, Parts: []translate.Part{
				{Kind: translate.PartText, Text: "What is \"this\"?\n\u2028", Cache: mark},
				{Kind: translate.PartImage, URL: "https://example.com/a.png"},
				{Kind: translate.PartImage, MediaType: "image/png", Data: "iVBORw0KGgo=", Cache: mark},
			}},
			{Role: translate.RoleAssistant, Parts: []translate.Part{
				{Kind: translate.PartReasoning, Text: "Hm.", Signature: "c2ln"},
				{Kind: translate.PartReasoning, Signature: markRedacted + "cmVk"},
				{Kind: translate.PartReasoning, Signature: markThinking + "c2ln"},
				{Kind: translate.PartText, Text: "Let me look."},
				{Kind: translate.PartToolCall, ID: "toolu_1", Name: "look", Args: `{"at":"it"}`, Cache: mark},
				{Kind: translate.PartToolCall, ID: "toolu_2", Name: "now", Args: `{}`},
			}},
			{Role: translate.RoleTool, Parts: []translate.Part{
				{Kind: translate.PartToolResult, ID: "toolu_1", Text: "a cat", Cache: mark},
				{Kind: translate.PartToolResult, ID: "toolu_2", Text: "no clock", Failed: true},
			}},
			translate.TextMessage(translate.RoleUser, "Well?"),
		},
		Tools: []translate.Tool{
			{Name: "look", Description: "Looks.", Schema: json.RawMessage(`{"type":"object"}`), Strict: true, Cache: mark},
			{Name: "now", Schema: json.RawMessage(`{"type":"object","properties":{}}`)},
		},
		ToolChoice: translate.ToolChoice{Mode: translate.ToolAuto, NoParallel: true},
		Params: translate.Params{
			MaxTokens: ptr(9000), Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr(40), Stop: []string{"END"}, ReasoningBudget: 2048,
			ResponseFormat: json.RawMessage(`{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"string"},"strict":true}}`),
		},
	}
}

func TestBadRequestsAreRefusedByTheNameOfTheField(t *testing.T) {
	t.Parallel()
	const msgs = `"messages":[{"role":"user","content":"hi"}]`
	const ok = `{"model":"m","max_tokens":5,`
	codectest.Invalid(t, Dialect, map[string]string{
		``: "JSON", `null`: "must be a JSON object", `{"model":"m",` + msgs + `}`: "max_tokens is required", `{"max_tokens":1,` + msgs + `}`: "model is required",
		`{"model":"m","max_tokens":0,` + msgs + `}`: "max_tokens", ok + `"x":1}`: "messages is required", ok + `"messages":[]}`: "empty",
		ok + `"messages":[{"role":"tool","content":"x"}]}`:                                                        "messages[0].role",
		ok + `"messages":[{"role":"user"}]}`:                                                                      "messages[0].content is required",
		ok + `"messages":[{"role":"user","content":[{"text":"x"}]}]}`:                                             "messages[0].content[0].type",
		ok + `"messages":[{"role":"user","content":[{"type":"image"}]}]}`:                                         "messages[0].content[0].source",
		ok + `"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}`:                                   "tool_use_id",
		ok + `"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":"c"}]}]}`: "input must be an object",
		ok + `"messages":[{"role":"assistant","content":[{"type":"tool_result","tool_use_id":"a"}]}]}`:            "tool_result",
		ok + `"system":5,` + msgs + `}`:                                                                           "system",
		ok + `"tools":[{"name":"a"}],` + msgs + `}`:                                                               "tools[0].input_schema",
		ok + `"tool_choice":{"type":"tool"},` + msgs + `}`:                                                        "tool_choice.name",
		ok + `"tool_choice":"auto",` + msgs + `}`:                                                                 "tool_choice",
		ok + `"thinking":{"type":"enabled"},` + msgs + `}`:                                                        "thinking.budget_tokens",
		ok + `"thinking":{"type":"enabled","budget_tokens":5},` + msgs + `}`:                                      "at least 1024",
		ok + `"stop_sequences":"x",` + msgs + `}`:                                                                 "stop_sequences",
	})
}

func TestARequestOfAnotherDialectIsMadeToFit(t *testing.T) {
	t.Parallel()
	req := &translate.Request{Dialect: "openai", Model: "m", Messages: []translate.Message{
		translate.TextMessage(translate.RoleSystem, "a"), translate.TextMessage(translate.RoleSystem, "b"),
		translate.TextMessage(translate.RoleUser, "c"), {Role: translate.RoleUser, Name: "bob", Parts: []translate.Part{{Kind: translate.PartText, Text: "d"}}},
		{Role: translate.RoleAssistant, Parts: []translate.Part{
			{Kind: translate.PartReasoning, Text: "unsigned"}, {Kind: translate.PartText}, {Kind: translate.PartToolCall, ID: "f:0", Name: "f", Args: "no json"}}},
		{Role: translate.RoleTool, Parts: []translate.Part{{Kind: translate.PartToolResult, ID: "f:0", Text: "r"}}},
	}, Params: translate.Params{
		Temperature: ptr(1.7), TopP: ptr(0.5), Seed: ptr(int64(1)), PresencePenalty: ptr(0.0), ResponseFormat: json.RawMessage(`{}`), Stop: []string{"\n"},
		ReasoningEffort: "high",
	}}
	body, err := Dialect.AppendRequest(nil, req)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"m","max_tokens":4096,"system":"a\n\nb","messages":[` +
		`{"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},` +
		`{"role":"assistant","content":[{"type":"tool_use","id":"f_0","name":"f","input":{"_raw":"no json"}}]},` +
		`{"role":"user","content":[{"type":"tool_result","tool_use_id":"f_0","content":"r"}]}],"temperature":1}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	dropped := []string{"reasoning_effort", "name", "reasoning", "temperature>1", "top_p", "stop: white space", "presence_penalty", "seed", "response_format"}
	if diff := cmp.Diff(dropped, req.Dropped); diff != "" {
		t.Error(diff)
	}
}

func TestAnEffortBecomesABudgetWithRoomForTheAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		effort      string
		limit       *int
		budget, max int
	}{
		{"low", nil, 1024, 4096}, {"medium", ptr(5000), 4096, 5000}, {"medium", ptr(100), 4096, 4196}, {"high", nil, 16384, 20480}, {"none", nil, 0, 4096}, {"odd", nil, 0, 4096},
	} {
		req := &translate.Request{Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "x")}, Params: translate.Params{ReasoningEffort: c.effort, MaxTokens: c.limit}}
		if got := planThinking(req); got.budget != c.budget || got.maxTokens != c.max {
			t.Errorf("%s: %+v, want %d of %d", c.effort, got, c.budget, c.max)
		}
	}
	forced := full()
	forced.Params.ReasoningBudget, forced.Params.ReasoningEffort = 0, "low"
	forced.ToolChoice.Mode = translate.ToolRequired
	if got := planThinking(forced); got.budget != 0 || len(forced.Dropped) != 1 {
		t.Errorf("beside a forced tool: %+v, dropped %v", got, forced.Dropped)
	}
}

func TestPassThroughReplacesOnlyTheModel(t *testing.T) {
	t.Parallel()
	var req translate.Request
	body := ` {"max_tokens":5, "model" : "a","container":null,"stream":true,"messages":[{"role":"user","content":[{"type":"search_result"}]}]} `
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil || req.Raw == nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"content.search_result", "container"}, req.Dropped); diff != "" {
		t.Error(diff)
	}
	req.Model, req.PassThrough = `b"`, true
	got, err := Dialect.AppendRequest(nil, &req)
	if want := strings.Replace(body, `"a"`, `"b\""`, 1); err != nil || string(got) != want || req.Dropped != nil {
		t.Errorf("got %s, %v, dropped %v; want %s", got, err, req.Dropped, want)
	}
	var twice translate.Request
	if err := Dialect.DecodeRequest(&twice, []byte(`{"max_tokens":5,"model":"a","Model":"b","messages":[{"role":"user","content":"x"}]}`)); err != nil || twice.Raw != nil {
		t.Errorf("a body of two readings: %v, %s", err, twice.Raw)
	}
}

// script is an answer with everything that this dialect can say.
func script() []translate.Event {
	first, last := translate.Usage{Input: 9, Output: 1, CacheRead: 2, CacheWrite: 3}, translate.Usage{Input: 9, Output: 7, CacheRead: 2, CacheWrite: 3}
	return []translate.Event{
		{Kind: translate.KindStart, ID: []byte("answer-1"), Name: []byte("claude"), Usage: first},
		{Kind: translate.KindReasoning, Text: []byte("Hm \"x\"\n")},
		{Kind: translate.KindSignature, Text: []byte("c2ln")},
		{Kind: translate.KindSignature, Text: []byte(markRedacted + "cmVk")},
		{Kind: translate.KindSignature, Text: []byte(markThinking + "c2ln")},
		{Kind: translate.KindText, Text: []byte("Let me\u2028")},
		{Kind: translate.KindText, Text: []byte(" look \\")},
		{Kind: translate.KindToolStart, Index: 0, ID: []byte("a"), Name: []byte("f")},
		{Kind: translate.KindToolArgs, Index: 0, Text: []byte(`{"x":`)},
		{Kind: translate.KindToolArgs, Index: 0, Text: []byte(`"}"}`)},
		{Kind: translate.KindToolStart, Index: 1, ID: []byte("b"), Name: []byte("g")},
		{Kind: translate.KindToolArgs, Index: 1, Text: []byte(`{}`)},
		{Kind: translate.KindUsage, Usage: last},
		{Kind: translate.KindFinish, Finish: translate.FinishTool, Usage: last},
	}
}

func TestInterleavedCallsAreWrittenOneAfterTheOther(t *testing.T) {
	t.Parallel()
	call := func(i int32, id string) translate.Event {
		return translate.Event{Kind: translate.KindToolStart, Index: i, ID: []byte(id), Name: []byte("f")}
	}
	args := func(i int32, text string) translate.Event {
		return translate.Event{Kind: translate.KindToolArgs, Index: i, Text: []byte(text)}
	}
	enc := Dialect.NewEncoder(&translate.Request{}, translate.Envelope{RequestID: "req_1"})
	var stream []byte
	for _, ev := range []translate.Event{
		call(0, "a"), call(1, "b"), call(2, "c"), args(1, `{"n":`), args(0, `{"m":"}`), args(2, `{}`), args(0, `"}`), args(1, `1}`),
		{Kind: translate.KindFinish, Finish: translate.FinishTool}, {Kind: translate.KindUsage, Usage: translate.Usage{Input: 1, Output: 2}},
	} {
		stream = enc.Append(stream, ev)
	}
	_, answer := codectest.Read(t, Dialect, enc.AppendTail(stream))
	want := []translate.Part{
		{Kind: translate.PartToolCall, ID: "a", Name: "f", Args: `{"m":"}"}`}, {Kind: translate.PartToolCall, ID: "b", Name: "f", Args: `{"n":1}`},
		{Kind: translate.PartToolCall, ID: "c", Name: "f", Args: `{}`},
	}
	if diff := cmp.Diff(want, answer.Parts); diff != "" {
		t.Error(diff)
	}
	if answer.Usage.Output != 2 {
		t.Error("usage after the end is lost")
	}
	oneBlockAtOnce(t, stream)
}

func TestWhatIsSaidAmidACallComesBehindIt(t *testing.T) {
	t.Parallel()
	ev := func(k translate.Kind, index int32, text string) translate.Event {
		return translate.Event{Kind: k, Index: index, Text: []byte(text)}
	}
	call := func(i int32, id string) translate.Event {
		return translate.Event{Kind: translate.KindToolStart, Index: i, ID: []byte(id), Name: []byte("f")}
	}
	part := func(id, args string) translate.Part {
		return translate.Part{Kind: translate.PartToolCall, ID: id, Name: "f", Args: args}
	}
	text := func(s string) translate.Part { return translate.Part{Kind: translate.PartText, Text: s} }
	thought := func(s, proof string) translate.Part {
		return translate.Part{Kind: translate.PartReasoning, Text: s, Signature: proof}
	}
	const args, said, why, proof = translate.KindToolArgs, translate.KindText, translate.KindReasoning, translate.KindSignature
	for name, c := range map[string]struct {
		events []translate.Event
		want   []translate.Part
	}{
		"amid its arguments":         {[]translate.Event{ev(said, 0, "a"), call(0, "x"), ev(args, 0, `{"n":`), ev(said, 0, "b\xc3"), ev(said, 0, "\xa4"), ev(args, 0, `1}`), ev(said, 0, "c")}, []translate.Part{text("a"), part("x", `{"n":1}`), text("bäc")}},
		"before its arguments":       {[]translate.Event{call(0, "x"), ev(said, 0, "b"), ev(args, 0, `{"n":1}`)}, []translate.Part{part("x", `{"n":1}`), text("b")}},
		"arguments that never end":   {[]translate.Event{call(0, "x"), ev(args, 0, `{"n":`), ev(said, 0, "b")}, []translate.Part{part("x", `{"n":`), text("b")}},
		"another call between":       {[]translate.Event{call(0, "x"), ev(args, 0, `{"n":`), ev(said, 0, "b"), call(1, "y"), ev(args, 1, `{"m":`), ev(said, 0, "c"), ev(args, 0, `1}`), ev(said, 0, "d"), ev(args, 1, `2}`)}, []translate.Part{part("x", `{"n":1}`), text("b"), part("y", `{"m":2}`), text("cd")}},
		"thoughts with their proofs": {[]translate.Event{call(0, "x"), ev(args, 0, `{`), ev(why, 0, "w"), ev(proof, 0, "s"), ev(said, 0, "b"), ev(args, 0, `}`)}, []translate.Part{part("x", `{}`), thought("w", "s"), text("b")}},
	} {
		enc := Dialect.NewEncoder(&translate.Request{}, translate.Envelope{RequestID: "req_1"})
		var stream []byte
		for _, e := range append(c.events, translate.Event{Kind: translate.KindFinish, Finish: translate.FinishTool}) {
			stream = enc.Append(stream, e)
		}
		stream = enc.AppendTail(stream)
		dec := Dialect.NewDecoder(&translate.Request{})
		var answer translate.Answer
		for _, f := range codectest.Data(stream) {
			evs, err := dec.Decode(nil, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range evs {
				answer.Add(e)
			}
		}
		if diff := cmp.Diff(c.want, answer.Parts); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		oneBlockAtOnce(t, stream)
	}
}

func oneBlockAtOnce(t *testing.T, stream []byte) {
	t.Helper()
	open := 0
	for line := range strings.Lines(string(stream)) {
		switch strings.TrimSpace(line) {
		case "event: content_block_start":
			open++
		case "event: content_block_stop":
			open--
		}
		if open > 1 {
			t.Fatal("two blocks are open at once")
		}
	}
}

func TestPassedThroughFramesWithoutMeaningAreOpaque(t *testing.T) {
	t.Parallel()
	for _, f := range []string{`{"type":"ping"}`, `{"type":"novelty","x":1}`, `{"type":"content_block_stop","index":0}`} {
		evs, err := Dialect.NewDecoder(&translate.Request{PassThrough: true}).Decode(nil, []byte(f))
		if err != nil || len(evs) != 1 || evs[0].Kind != translate.KindOpaque {
			t.Errorf("%s: %v, %v", f, evs, err)
		}
		if evs, err := Dialect.NewDecoder(&translate.Request{}).Decode(nil, []byte(f)); err != nil || len(evs) != 0 {
			t.Errorf("translated %s: %v, %v", f, evs, err)
		}
	}
}

func TestEachFailureHasItsStatusAndType(t *testing.T) {
	t.Parallel()
	suite.Failures(t, `{"type":"error","error":{"type":"%s","message":"why"},"request_id":"req_1"}`, []codectest.Failure{
		{Err: translate.Error{Code: translate.CodeValidation}, Status: 400, Words: "invalid_request_error"},
		{Err: translate.Error{Code: translate.CodeUnauthorized}, Status: 401, Words: "authentication_error"},
		{Err: translate.Error{Code: translate.CodePermission}, Status: 403, Words: "permission_error"},
		{Err: translate.Error{Code: translate.CodeModelNotFound}, Status: 404, Words: "not_found_error"},
		{Err: translate.Error{Code: translate.CodeTooLarge}, Status: 413, Words: "request_too_large"},
		{Err: translate.Error{Code: translate.CodeMediaType}, Status: 415, Words: "invalid_request_error"},
		{Err: translate.Error{Code: translate.CodeRateLimited}, Status: 429, Words: "rate_limit_error"},
		{Err: translate.Error{Code: translate.CodeInternal}, Status: 500, Words: "api_error"},
		{Err: translate.Error{Code: translate.CodeModel}, Status: 502, Words: "api_error"},
		{Err: translate.Error{Code: translate.CodeUnavailable}, Status: 529, Words: "overloaded_error"},
		{Err: translate.Error{Code: translate.CodeModel, Timeout: true}, Status: 504, Words: "timeout_error"},
	})
}

func TestModelListsHaveTheVendorsForm(t *testing.T) {
	t.Parallel()
	got := string(AppendModels(nil, []Model{{ID: "a", Name: "A", Created: 1700000000000}, {ID: "b"}}))
	want := `{"data":[{"type":"model","id":"a","display_name":"A","created_at":"2023-11-14T22:13:20Z"},` +
		`{"type":"model","id":"b","display_name":"b","created_at":"1970-01-01T00:00:00Z"}],"has_more":false,"first_id":"a","last_id":"b"}`
	if got != want || string(AppendModels(nil, nil)) != `{"data":[],"has_more":false,"first_id":null,"last_id":null}` {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
