package gemini

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
		Dialect: "gemini", Model: "gemini-2.5-flash", Stream: true,
		Messages: []translate.Message{
			{Role: translate.RoleSystem, Parts: []translate.Part{
				{Kind: translate.PartText, Text: "Be brief."}, {Kind: translate.PartText, Text: "Be kind."},
			}},
			{Role: translate.RoleUser, Parts: []translate.Part{
				{Kind: translate.PartText, Text: "What is \"this\"?\n\u2028"},
				{Kind: translate.PartImage, MediaType: "image/png", URL: "https://example.com/a.png"},
				{Kind: translate.PartImage, MediaType: "image/png", Data: "iVBORw0KGgo="},
				{Kind: translate.PartImage, MediaType: "image/jpeg", ID: "https://generativelanguage.googleapis.com/v1beta/files/f1"},
				{Kind: translate.PartDocument, MediaType: "application/pdf", Data: "JVBERg=="},
				{Kind: translate.PartDocument, MediaType: "application/pdf", URL: "https://example.com/a.pdf"},
				{Kind: translate.PartAudio, MediaType: "wav", Data: "UklGRg=="},
			}},
			{Role: translate.RoleAssistant, Parts: []translate.Part{
				{Kind: translate.PartReasoning, Text: "Hm."},
				{Kind: translate.PartText, Text: "Let me look."},
				{Kind: translate.PartToolCall, ID: "fc_1", Name: "look", Args: `{"at":"it"}`, Signature: proofOf("c2ln\"")},
				{Kind: translate.PartToolCall, ID: "fc_2", Name: "now", Args: `{}`},
			}},
			{Role: translate.RoleTool, Parts: []translate.Part{
				{Kind: translate.PartToolResult, ID: "fc_1", Text: "a cat"},
				{Kind: translate.PartImage, MediaType: "image/png", Data: "iVBORw0KGgo="},
				{Kind: translate.PartToolResult, ID: "fc_2", Text: "no clock", Failed: true},
			}},
			translate.TextMessage(translate.RoleUser, "Well?"),
		},
		Tools: []translate.Tool{
			{Name: "look", Description: "Looks.", Schema: json.RawMessage(`{"type":"object"}`)},
			{Name: "now"},
		},
		Params: translate.Params{
			MaxTokens: ptr(9000), Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr(40), PresencePenalty: ptr(0.1), FrequencyPenalty: ptr(-0.1), Seed: ptr(int64(7)),
			Stop: []string{"END"}, ReasoningBudget: 2048, Logprobs: true, TopLogprobs: ptr(3),
			ResponseFormat: json.RawMessage(`{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"string"},"strict":true}}`),
		},
	}
}

// script is an answer that uses everything that this dialect can say.
func script() []translate.Event {
	text := func(k translate.Kind, s string) translate.Event { return translate.Event{Kind: k, Text: []byte(s)} }
	used := translate.Usage{Input: 10, Output: 20, CacheRead: 3, Reasoning: 5}
	return []translate.Event{
		{Kind: translate.KindStart, ID: []byte("answer-1"), Name: []byte("gemini-2.5-flash")},
		text(translate.KindReasoning, "Hm. "), text(translate.KindReasoning, "Yes."),
		text(translate.KindText, "A \"cat\"\n"), text(translate.KindText, " sits."),
		{Kind: translate.KindToolStart, ID: []byte("fc_1"), Name: []byte("look")},
		{Kind: translate.KindToolArgs, Text: []byte(`{"at":"it"}`)},
		{Kind: translate.KindToolStart, Index: 1, ID: []byte("fc_2"), Name: []byte("now")},
		{Kind: translate.KindToolArgs, Index: 1, Text: []byte(`{}`)},
		{Kind: translate.KindUsage, Usage: used},
		{Kind: translate.KindFinish, Finish: translate.FinishTool, Usage: used},
	}
}

func TestBadRequestsAreRefusedByTheNameOfTheField(t *testing.T) {
	t.Parallel()
	turn := func(parts string) string { return `{"contents":[{"role":"user","parts":` + parts + `}]}` }
	codectest.Invalid(t, Dialect, map[string]string{
		``: "JSON", `null`: "must be a JSON object", `{}`: "contents is required", `{"contents":[]}`: "must not be empty", `{"contents":5}`: "contents has the wrong type",
		`{"messages":[{"role":"user","content":"x"}]}`: "/v1/chat/completions",
		`{"input":"x"}`: "/v1/responses",
		`{"contents":[{"role":"tool","parts":[]}]}`:                                                                                 "contents[0].role must be user or model",
		turn(`[{"text":5}]`):                                                                                                        "contents[0].parts[0].text",
		turn(`[{"inlineData":{"data":"x"}}]`):                                                                                       "inlineData must have mimeType and data",
		turn(`[{"text":"x","inlineData":{"mimeType":"image/png","data":"AAAA"}}]`):                                                  "contents[0].parts[0] has more than one of",
		turn(`[{"text":"x","fileData":{"fileUri":"https://x.example/x.png"}}]`):                                                     "contents[0].parts[0] has more than one of",
		turn(`[{"fileData":{}}]`):                                                                                                   "fileUri is required",
		turn(`[{"functionCall":{"name":"f"}}]`):                                                                                     "belongs into a turn of the model",
		turn(`[{"functionResponse":{"response":{}}}]`):                                                                              "functionResponse.name is required",
		turn(`[{"functionResponse":{"name":"f","response":"x"}}]`):                                                                  "response must be an object",
		`{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":"x"}}]}]}`:                                        "args must be an object",
		`{"contents":[{"role":"model","parts":[{"functionResponse":{"name":"f"}}]}]}`:                                               "belongs into a turn of the user",
		`{"contents":{"parts":{"text":"x"}},"tools":[{"functionDeclarations":[{}]}]}`:                                               "tools[0].functionDeclarations[0].name",
		`{"contents":{"parts":{"text":"x"}},"toolConfig":{"functionCallingConfig":{"mode":"any"}}}`:                                 "mode must be AUTO",
		`{"contents":{"parts":{"text":"x"}},"generationConfig":{"maxOutputTokens":0}}`:                                              "maxOutputTokens must be at least 1",
		`{"contents":{"parts":{"text":"x"}},"generationConfig":{"candidateCount":9}}`:                                               "candidateCount",
		`{"contents":{"parts":{"text":"x"}},"systemInstruction":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA=="}}]}}`: "systemInstruction.parts[0] must be a text",
	})
}

func TestNamesAreReadInBothCasesAndOneValueStandsForAList(t *testing.T) {
	t.Parallel()
	camel := `{"systemInstruction":{"parts":{"text":"s"}},"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"-_8="}},{"fileData":{"mimeType":"image/png","fileUri":"https://h/a"}}]},
		{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"x"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"o"}}}]}],
		"tools":{"functionDeclarations":{"name":"f","parametersJsonSchema":{"type":"object"}}},"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},
		"generationConfig":{"maxOutputTokens":1e2,"topP":1,"topK":2,"stopSequences":["x"],"thinkingConfig":{"thinkingLevel":"LOW"},"responseMimeType":"application/json"}}`
	snake := camel
	for _, name := range []string{"systemInstruction", "inlineData", "mimeType", "fileData", "fileUri", "functionCallingConfig", "functionCall", "thoughtSignature", "functionResponse", "functionDeclarations",
		"parametersJsonSchema", "toolConfig", "allowedFunctionNames", "generationConfig", "maxOutputTokens", "topP", "topK", "stopSequences", "thinkingConfig", "thinkingLevel", "responseMimeType"} {
		var b strings.Builder
		for _, r := range name {
			if r < 'a' {
				b.WriteByte('_')
			}
			b.WriteString(strings.ToLower(string(r)))
		}
		snake = strings.ReplaceAll(snake, `"`+name+`"`, `"`+b.String()+`"`)
	}
	var one, two translate.Request
	for body, req := range map[string]*translate.Request{camel: &one, snake: &two} {
		if err := Dialect.DecodeRequest(req, []byte(body)); err != nil {
			t.Fatal(err)
		}
		if string(req.Raw) != body {
			t.Error("it may not pass through")
		}
		req.Raw = nil
	}
	if diff := cmp.Diff(one, two); diff != "" {
		t.Errorf("(-camel +snake)\n%s", diff)
	}
	if one.Messages[1].Parts[0].Data != "+/8=" || one.ToolChoice.Name != "f" || *one.Params.MaxTokens != 100 || one.Params.ReasoningEffort != "low" || one.Messages[3].Parts[0].Text != "o" || one.Dropped != nil {
		t.Errorf("%+v", one)
	}
}

// A client that gives no ids has its calls and results told apart by their names and their order.
func TestCallsWithoutIdsFindTheirResults(t *testing.T) {
	t.Parallel()
	body := `{"contents":[{"parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"g"}},{"functionCall":{"name":"f"}}]},
		{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"1"}}},{"functionResponse":{"name":"f","response":{"a":1,"b":2}}},{"functionResponse":{"name":"g","response":{"error":"3"}}},{"text":"Well?"}]}]}`
	var req translate.Request
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	calls, results := req.Messages[1].Parts, req.Messages[2].Parts
	if len(req.Messages) != 4 || req.Messages[2].Role != translate.RoleTool || calls[0].ID != results[0].ID || calls[2].ID != results[1].ID || calls[1].ID != results[2].ID || !results[2].Failed || results[1].Text != `{"a":1,"b":2}` {
		t.Errorf("%+v", req.Messages)
	}
	sent, err := Dialect.AppendRequest(nil, &req)
	if err != nil || strings.Contains(string(sent), `"id"`) {
		t.Errorf("%v, an id that nobody gave is sent: %s", err, sent)
	}
}

func TestTheVendorsSchemasBecomeJSONSchemas(t *testing.T) {
	t.Parallel()
	body := `{"contents":{"parts":{"text":"x"}},"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"type":{"type":"STRING","enum":["STRING"]},"minItems":{"type":"ARRAY","items":{"type":"INTEGER"},"minItems":"2"}},"required":["type"]}}]},{"googleSearch":{}}],
		"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"ARRAY","items":{"type":"NUMBER","nullable":true}},"speechConfig":{},"responseModalities":["TEXT","AUDIO"]},"safetySettings":[],"cachedContent":"c"}`
	var req translate.Request
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	if got, want := string(req.Tools[0].Schema), `{"type":"object","properties":{"type":{"type":"string","enum":["STRING"]},"minItems":{"type":"array","items":{"type":"integer"},"minItems":2}},"required":["type"]}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := string(req.Params.ResponseFormat); !strings.Contains(got, `{"type":"array","items":{"type":"number","nullable":true}}`) {
		t.Error(got)
	}
	want := []string{"tools.googleSearch", "generationConfig.speechConfig", "generationConfig.responseModalities.AUDIO", "safetySettings", "cachedContent"}
	if diff := cmp.Diff(want, req.Dropped); diff != "" {
		t.Error(diff)
	}
}

func TestPathsSayTheModelAndHowItIsAsked(t *testing.T) {
	t.Parallel()
	type asked struct {
		model        string
		stream, list bool
		failed       translate.Code
	}
	for target, want := range map[string]asked{
		"/v1beta/models/gemini-2.5-pro:generateContent":                   {model: "gemini-2.5-pro"},
		"/v1/models/m:streamGenerateContent?alt=sse":                      {model: "m", stream: true},
		"/v1beta/models/m:streamGenerateContent?key=k&%24alt=sse":         {model: "m", stream: true},
		"/v1beta/models/m:streamGenerateContent":                          {model: "m", stream: true, list: true},
		"/v1beta/models/m:streamGenerateContent?alt=json":                 {model: "m", stream: true, list: true},
		"/v1beta/models/vendor/large:7b:countTokens":                      {model: "vendor/large:7b"},
		"/v1beta/models/models/m:generateContent":                         {model: "models/m"},
		"/v1beta/models/m:streamGenerateContent?alt=proto":                {failed: translate.CodeValidation},
		"/v1beta/models/m:embedContent":                                   {failed: translate.CodeNotFound},
		"/v1beta/models/m":                                                {failed: translate.CodeNotFound},
		"/v1beta/models/:generateContent":                                 {failed: translate.CodeNotFound},
		"/v1beta/models/" + strings.Repeat("m", 257) + ":generateContent": {failed: translate.CodeValidation},
	} {
		path, query, _ := strings.Cut(target, "?")
		var req translate.Request
		err := Dialect.(translate.Pather).FromPath(&req, path, query)
		got := asked{model: req.Model, stream: req.Stream, list: req.List}
		if err != nil {
			got = asked{failed: codectest.MustBeTyped(t, err).Code}
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", target, got, want)
		}
	}
	for model, want := range map[string]string{
		"gemini-2.5-pro": "/models/gemini-2.5-pro:generateContent", "models/m": "/models/m:generateContent", "a/b:c d?": "/models/a%2Fb%3Ac%20d%3F:generateContent",
		"tunedModels/mine": "/tunedModels/mine:generateContent", "publishers/google/models/m": "/publishers/google/models/m:generateContent",
	} {
		if got := string(Dialect.(translate.Pather).AppendPath(nil, &translate.Request{Model: model})); got != want {
			t.Errorf("%s: %s, want %s", model, got, want)
		}
	}
}

func TestAQuestionPassesThroughAsItCame(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"contents":[{"parts":[{"text":"q"}]}],"new":1}`:                          `{"contents":[{"parts":[{"text":"q"}]}],"new":1}`,
		`{"model":"models/theirs", "contents":[{"parts":[{"text":"q"}]}]}`:         `{"model":"models/ours", "contents":[{"parts":[{"text":"q"}]}]}`,
		`{"contents":[{"parts":[{"text":"q"}]}],"tool_config":{},"toolConfig":{}}`: "",
		`{"contents":[{"parts":[{"text":"q"}]}],"Contents":[]}`:                    "",
	} {
		req := translate.Request{Model: "theirs", Stream: true}
		if ok := Dialect.(translate.RoutingScanner).ScanRouting(&req, []byte(body)); ok != (want != "") || ok != (req.Raw != nil) || req.Model != "theirs" || !req.Stream {
			t.Errorf("%s: %v, %+v", body, ok, req)
		}
		req = translate.Request{Model: "theirs"}
		if err := Dialect.DecodeRequest(&req, []byte(body)); err == nil && (req.Raw != nil) != (want != "") {
			t.Errorf("%s: kept %s", body, req.Raw)
		}
		if want == "" {
			continue
		}
		req.Model, req.PassThrough = "ours", true
		if got, err := Dialect.AppendRequest(nil, &req); err != nil || string(got) != want || req.Dropped != nil {
			t.Errorf("%s: %s, %v", body, got, err)
		}
	}
	listed := translate.Request{List: true}
	body := []byte(`{"contents":[{"parts":[{"text":"q"}]}]}`)
	if Dialect.(translate.RoutingScanner).ScanRouting(&listed, body) || Dialect.DecodeRequest(&listed, body) != nil || listed.Raw != nil {
		t.Error("a list passes through, which no channel is asked for")
	}
}

func TestAStreamMayBeAList(t *testing.T) {
	t.Parallel()
	enc := Dialect.NewEncoder(&translate.Request{List: true}, translate.Envelope{ID: "a"})
	var out []byte
	for _, ev := range script() {
		out = enc.Append(out, ev)
	}
	out = enc.AppendTail(out)
	var all []json.RawMessage
	if err := json.Unmarshal(out, &all); err != nil || len(all) != 6 {
		t.Fatalf("%v, %d values: %s", err, len(all), out)
	}
	evs, err := Dialect.NewDecoder(&translate.Request{}).DecodeWhole(nil, 200, out)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ev := range evs {
		got = append(got, codectest.Describe(ev))
	}
	var want []string
	for _, ev := range script() {
		want = append(want, codectest.Describe(ev))
	}
	want[0] = "start id=a name=gemini-2.5-flash"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, pieces := range []int{0, 2} {
		enc := Dialect.NewEncoder(&translate.Request{List: true}, translate.Envelope{ID: "a"})
		var out []byte
		for range pieces {
			out = enc.Append(out, codectest.Text("x"))
		}
		out = enc.AppendError(out, &translate.Error{Code: translate.CodeModel, Message: "why"}, true)
		if err := json.Unmarshal(out, &all); err != nil || len(all) != pieces+1 || !strings.Contains(string(all[pieces]), `{"error":{"code":502,"message":"why","status":"INTERNAL"`) {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestTheFirstCallOfATurnIsSignedWhereTheModelWantsThat(t *testing.T) {
	t.Parallel()
	call := func(id, proof string) translate.Part {
		return translate.Part{Kind: translate.PartToolCall, ID: id, Name: "f", Args: "{}", Signature: proof}
	}
	ask := func(model string, parts ...translate.Part) string {
		req := translate.Request{Model: model, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "q"), {Role: translate.RoleAssistant, Parts: parts}}}
		results := translate.Message{Role: translate.RoleTool}
		for i := range parts {
			results.Parts = append(results.Parts, translate.Part{Kind: translate.PartToolResult, ID: parts[i].ID, Text: "x"})
		}
		req.Messages = append(req.Messages, results)
		req.Proof = func(id string) string {
			if id == "known" {
				return proofOf("kept")
			}
			return ""
		}
		sent, err := Dialect.AppendRequest(nil, &req)
		if err != nil {
			t.Fatal(err)
		}
		var signatures []string
		for _, piece := range strings.Split(string(sent), `"functionCall"`)[1:] {
			_, signature, _ := strings.Cut(piece, `"thoughtSignature":"`)
			signature, _, _ = strings.Cut(signature, `"`)
			signatures = append(signatures, signature)
		}
		return strings.Join(signatures, ",")
	}
	for _, c := range [][2]string{
		{ask("gemini-3-pro-preview", call("a", ""), call("b", "")), "skip_thought_signature_validator,"},
		{ask("gemini-3-pro-preview", call("a", proofOf("own")), call("known", "")), "own,kept"},
		{ask("gemini-2.5-flash", call("a", ""), call("known", "")), ",kept"},
		{ask("gemini-2.5-flash", call("call_unnamed_0", ""), call("a", `"extra_content":{"other":1}`)), ","},
	} {
		if c[0] != c[1] {
			t.Errorf("%q, want %q", c[0], c[1])
		}
	}
}

func TestEffortsBecomeBudgetsOrLevels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		model, effort string
		budget        int
		want, dropped string
	}{
		{"gemini-2.5-flash", "low", 0, `"thinkingBudget":1024`, ""},
		{"gemini-2.5-flash", "none", 0, `{"thinkingBudget":0}`, ""},
		{"gemini-2.5-pro", "none", 0, ``, "reasoning_effort"},
		{"gemini-2.5-pro", "", 4000, `"thinkingBudget":4000`, ""},
		{"gemini-3-pro-preview", "medium", 0, `"thinkingLevel":"LOW"`, "reasoning_effort"},
		{"gemini-3-flash", "minimal", 0, `"thinkingLevel":"MINIMAL"`, ""},
		{"gemini-3.1-pro", "", 30000, `"thinkingLevel":"HIGH"`, "thinking.budget_tokens"},
		{"gemini-2.0-flash", "high", 0, ``, "reasoning_effort"},
		{"my-alias", "high", 0, `"thinkingBudget":24576`, ""},
	} {
		req := translate.Request{Model: c.model, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "q")}}
		req.Params.ReasoningEffort, req.Params.ReasoningBudget = c.effort, c.budget
		sent, err := Dialect.AppendRequest(nil, &req)
		if err != nil || !strings.Contains(string(sent), c.want) || c.want == "" && strings.Contains(string(sent), "thinking") || strings.Join(req.Dropped, ", ") != c.dropped {
			t.Errorf("%+v: %s, %v, dropped %v", c, sent, err, req.Dropped)
		}
	}
}

func TestWhatCannotBeSaidIsNoted(t *testing.T) {
	t.Parallel()
	req := full()
	req.Dialect, req.User = "anthropic", "u"
	req.ToolChoice.NoParallel = true
	req.Params.RepetitionPenalty = ptr(1.1)
	req.Params.Stop = []string{"1", "2", "3", "4", "5", "6"}
	req.Tools[0].Strict = true
	req.Messages[1].Parts[0].Cache = json.RawMessage(`{}`)
	if _, err := Dialect.AppendRequest(nil, req); err != nil {
		t.Fatal(err)
	}
	want := []string{"cache_control", "content.image.file", "reasoning", "strict", "parallel_tool_calls", "repetition_penalty", "stop_sequences>5", "user"}
	if diff := cmp.Diff(want, req.Dropped); diff != "" {
		t.Error(diff)
	}
}

func TestTokensAreCounted(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"contents":[{"parts":[{"text":"q"}]}]}`,
		`{"generateContentRequest":{"model":"models/theirs","contents":[{"parts":[{"text":"q"}]}],"system_instruction":{"parts":{"text":"s"}}}}`,
	} {
		req := translate.Request{Model: "ours"}
		if err := Counting.DecodeRequest(&req, []byte(body)); err != nil || req.Newest().Text() != "q" {
			t.Fatal(err, req)
		}
		asked, err := Counting.AppendRequest(nil, &req)
		if err != nil || !strings.HasPrefix(string(asked), `{"generateContentRequest":{"model":"models/ours",`) {
			t.Errorf("%v: %s", err, asked)
		}
		req.PassThrough = true
		if got, err := Counting.AppendRequest(nil, &req); err != nil || string(got) != strings.Replace(body, "theirs", "ours", 1) {
			t.Errorf("%v: %s", err, got)
		}
		if path := string(Counting.(translate.Pather).AppendPath(nil, &req)); path != "/models/ours:countTokens" {
			t.Error(path)
		}
	}
	evs, err := Counting.NewDecoder(&translate.Request{}).DecodeWhole(nil, 200, AppendCount(nil, 31))
	if err != nil || len(evs) != 1 || evs[0].Usage.Input != 31 {
		t.Errorf("%v, %v", evs, err)
	}
	for _, body := range []string{`{}`, `{"totalTokens":-1}`, `x`} {
		if _, err := Counting.NewDecoder(&translate.Request{}).DecodeWhole(nil, 200, []byte(body)); err == nil {
			t.Errorf("%s is a count", body)
		}
	}
}
