package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/translate"
)

func TestOlderFunctionsAreTools(t *testing.T) {
	t.Parallel()
	var req translate.Request
	body := `{"model":"m","functions":[{"name":"look","description":"Looks.","parameters":{"type":"object"}},{"name":"now"}],
		"function_call":{"name":"look"},"messages":[{"role":"user","content":"hi"},
		{"role":"assistant","content":null,"function_call":{"name":"look","arguments":"{\"at\":1}"}},{"role":"function","name":"look","content":"a cat"},
		{"role":"assistant","content":"So?","function_call":{"name":"look","arguments":"{\"at\":2}"}},{"role":"function","name":"look","content":"a dog"},
		{"role":"function","name":"now","content":"noon"}]}`
	if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
		t.Fatal(err)
	}
	call := func(id, args string) translate.Part {
		return translate.Part{Kind: translate.PartToolCall, ID: id, Name: "look", Args: args}
	}
	result := func(id, text string) translate.Part {
		return translate.Part{Kind: translate.PartToolResult, ID: id, Text: text}
	}
	want := translate.Request{
		Dialect: "openai", Model: "m", Functions: true,
		Messages: []translate.Message{
			translate.TextMessage(translate.RoleUser, "hi"),
			{Role: translate.RoleAssistant, Parts: []translate.Part{call("call_function_0", `{"at":1}`)}},
			{Role: translate.RoleTool, Parts: []translate.Part{result("call_function_0", "a cat")}},
			{Role: translate.RoleAssistant, Parts: []translate.Part{{Kind: translate.PartText, Text: "So?"}, call("call_function_1", `{"at":2}`)}},
			{Role: translate.RoleTool, Parts: []translate.Part{result("call_function_1", "a dog"), result("call_function_2", "noon")}},
		},
		Tools:      []translate.Tool{{Name: "look", Description: "Looks.", Schema: json.RawMessage(`{"type":"object"}`)}, {Name: "now"}},
		ToolChoice: translate.ToolChoice{Mode: translate.ToolNamed, Name: "look", NoParallel: true},
		Raw:        []byte(body),
	}
	if diff := cmp.Diff(want, req); diff != "" {
		t.Error(diff)
	}
	if p, ok := Dialect.(translate.RoutingScanner); !ok || p.ScanRouting(&translate.Request{}, []byte(body)) {
		t.Error("the answer to it cannot be written by who only peeked")
	}
}

func TestFunctionsBesideToolsAreNoted(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{"model":"m","tools":[{"type":"function","function":{"name":"a"}}],"functions":[{"name":"b"}],` + msgs + `}`: {"functions"},
		`{"model":"m","function_call":"auto",` + msgs + `}`:                                                           {"function_call"},
	} {
		var req translate.Request
		if err := Dialect.DecodeRequest(&req, []byte(body)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, req.Dropped); diff != "" || req.Functions {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

func TestBadFunctionsAreRefused(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"model":"m","functions":[{}],` + msgs + `}`:                                                "functions[0].name",
		`{"model":"m","functions":{},` + msgs + `}`:                                                  "functions",
		`{"model":"m","functions":[{"name":"a","parameters":1}],` + msgs + `}`:                       "functions[0].parameters",
		`{"model":"m","functions":[{"name":"a"}],"function_call":"must",` + msgs + `}`:               "function_call",
		`{"model":"m","functions":[{"name":"a"}],"function_call":{},` + msgs + `}`:                   "function_call.name",
		`{"model":"m","messages":[{"role":"function","content":"x"}]}`:                               "messages[0].name",
		`{"model":"m","messages":[{"role":"assistant","content":null,"function_call":{"name":""}}]}`: "messages[0].function_call.name",
		`{"model":"m","messages":[{"role":"assistant","content":null,"function_call":"look"}]}`:      "messages[0].function_call",
	} {
		if err := Dialect.DecodeRequest(&translate.Request{}, []byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

// calling are the events of an answer with two calls, of which a client of
// functions can be told one.
func calling() []translate.Event {
	return []translate.Event{
		{Kind: translate.KindStart, ID: []byte("c-1"), Name: []byte("m")},
		{Kind: translate.KindToolStart, ID: []byte("call_1"), Name: []byte("look")},
		{Kind: translate.KindToolArgs, Text: []byte(`{"at":`)},
		{Kind: translate.KindToolStart, Index: 1, ID: []byte("call_2"), Name: []byte("now")},
		{Kind: translate.KindToolArgs, Text: []byte(`"漢\"字"}`)},
		{Kind: translate.KindToolArgs, Index: 1, Text: []byte(`{}`)},
		{Kind: translate.KindFinish, Finish: translate.FinishTool},
	}
}

func TestAClientOfFunctionsIsAnsweredWithAFunctionCall(t *testing.T) {
	t.Parallel()
	req := &translate.Request{Functions: true}
	var whole translate.Answer
	enc := Dialect.NewEncoder(req, translate.Envelope{})
	var stream []byte
	for _, ev := range calling() {
		whole.Add(ev)
		stream = enc.Append(stream, ev)
	}
	bodies := [][]byte{Dialect.NewEncoder(req, translate.Envelope{}).AppendWhole(nil, &whole)}
	var frames [][]byte
	for line := range strings.SplitSeq(strings.TrimSuffix(string(enc.AppendTail(stream)), "\n\n"), "\n\n") {
		frames = append(frames, []byte(strings.TrimPrefix(line, "data: ")))
	}
	for name, got := range map[string]*translate.Answer{"whole": read(t, bodies, true), "streamed": read(t, frames, false)} {
		want := []translate.Part{{Kind: translate.PartToolCall, ID: "call_c-1_0", Name: "look", Args: `{"at":"漢\"字"}`}}
		if diff := cmp.Diff(want, got.Parts); diff != "" || got.Finish != translate.FinishTool {
			t.Errorf("%s: %s, finish %s", name, diff, got.Finish)
		}
	}
	for _, text := range []string{string(bodies[0]), string(stream)} {
		if strings.Contains(text, "tool_calls") || !strings.Contains(text, `"finish_reason":"function_call"`) || !strings.Contains(text, `"function_call":{"name":"look"`) {
			t.Errorf("not the older form: %s", text)
		}
	}
}

// read is what a decoder makes of frames, or of one body.
func read(t *testing.T, frames [][]byte, whole bool) *translate.Answer {
	t.Helper()
	dec := Dialect.NewDecoder(&translate.Request{})
	a := &translate.Answer{}
	for _, f := range frames {
		var evs []translate.Event
		var err error
		if whole {
			evs, err = dec.DecodeWhole(nil, 200, f)
		} else {
			evs, err = dec.Decode(nil, f)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range evs {
			a.Add(ev)
		}
	}
	return a
}

func TestSeveralChoicesAreNotedUnlessTheyPassThrough(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"m","n":2,"messages":[{"role":"user","content":"hi"}]}`)
	var req translate.Request
	if err := Dialect.DecodeRequest(&req, body); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"n"}, req.Dropped); diff != "" || req.Params.Choices != 2 {
		t.Errorf("%d choices, dropped %s", req.Params.Choices, diff)
	}
	made, err := Dialect.AppendRequest(nil, &req)
	if err != nil || strings.Contains(string(made), `"n":`) {
		t.Errorf("%s: %v", made, err)
	}
	req.PassThrough = true
	made, err = Dialect.AppendRequest(nil, &req)
	if err != nil || string(made) != string(body) || req.Dropped != nil {
		t.Errorf("%s, dropped %v: %v", made, req.Dropped, err)
	}
}
