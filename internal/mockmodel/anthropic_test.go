package mockmodel

import (
	"strings"
	"testing"
)

const anthropicPath = "/v1/messages"

var anthropicHeaders = []string{"anthropic-version", "2023-06-01", "x-api-key", "k"}

func messageBody(model, text string, stream bool) string {
	s := ""
	if stream {
		s = `"stream":true,`
	}
	return `{"model":"` + model + `",` + s + `"max_tokens":100,"system":[{"type":"text","text":"be brief"}],"messages":[{"role":"user","content":"` + text + `"}]}`
}

func (r *rig) message(body string, headers ...string) (int, string) {
	r.t.Helper()
	status, _, answer, err := r.call("POST", anthropicPath, body, append(headers, anthropicHeaders...)...)
	if err != nil {
		r.t.Fatal(err)
	}
	return status, answer
}

func TestAnthropicStreamsItsEventsInOrder(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	_, got := r.message(messageBody("reason", "hi", true))
	id := object(t, events(t, got)[0])["message"].(map[string]any)["id"].(string)
	want := `event: message_start
data: {"type":"message_start","message":{"id":"` + id + `","type":"message","role":"assistant","model":"reason","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}

event: ping
data: {"type":"ping"}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"me "}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"think."}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"` + signature + `"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":", "}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"you said "}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\"hi\""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":" (n=1)"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":8}}

event: message_stop
data: {"type":"message_stop"}

`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestAnthropicStreamsParallelToolCallsAsBlocks(t *testing.T) {
	t.Parallel()
	_, got := start(t, Options{}).message(messageBody("tools", "hi", true))
	for _, want := range []string{
		`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"call_1","name":"lookup","input":{}}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"hi\""}}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"call_2","name":"lookup","input":{}}}`,
		`{"type":"content_block_stop","index":1}`,
		`"stop_reason":"tool_use"`,
	} {
		if strings.Count(got, want) != 1 {
			t.Errorf("not exactly one %s in\n%s", want, got)
		}
	}
}

func TestAnthropicAnswersInOnePiece(t *testing.T) {
	t.Parallel()
	_, got := start(t, Options{}).message(messageBody("reason-tool", "hi", false))
	want := `"type":"message","role":"assistant","model":"reason-tool","content":[{"type":"thinking","thinking":"Let me think.","signature":"` + signature +
		`"},{"type":"tool_use","id":"call_1","name":"lookup","input":{"q":"hi"}}],"stop_reason":"tool_use","stop_sequence":null,` +
		`"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":6}}`
	if object(t, got); !strings.HasSuffix(got, want) {
		t.Errorf("got %s", got)
	}
}

func TestAnthropicTakesAToolsResultAsATurn(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	body := `{"model":"tool","max_tokens":9,"messages":[{"role":"user","content":"hi"},
		{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"42"}]}]}]}`
	if _, got := r.message(body); !strings.Contains(got, `"text":"tool said: 42"`) {
		t.Errorf("got %s", got)
	}
	if status, got := r.message(strings.Replace(body, `_use_id":"c1"`, `_use_id":"c2"`, 1)); status != 400 {
		t.Errorf("a result without a call: %d %s", status, got)
	}
}

func TestAnthropicRefusesInTheVendorsForm(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Keys: []string{"k"}})
	for body, want := range map[string]string{
		messageBody("fail-529", "hi", true):  `{"type":"error","error":{"type":"overloaded_error","message":`,
		messageBody("fail-401", "hi", true):  `{"type":"error","error":{"type":"authentication_error","message":`,
		messageBody("context", "hi", false):  `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3 tokens \u003e 8 maximum"}`,
		`{"model":"m","messages":[]}`:        `"message":"max_tokens: Field required"`,
		messageBody("error200", "hi", false): `{"type":"error","error":{"type":"api_error","message":`,
	} {
		if _, got := r.message(body); object(t, got)["request_id"] == "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %s", body, got)
		}
	}
	status, _, got, _ := r.call("POST", anthropicPath, messageBody("echo", "hi", false), "x-api-key", "k")
	if status != 400 || !strings.Contains(got, "anthropic-version: header is required") {
		t.Errorf("without a version: %d %s", status, got)
	}
	if status, _, got, _ = r.call("POST", anthropicPath, "{}", "x-api-key", "other"); status != 401 || !strings.Contains(got, "authentication_error") {
		t.Errorf("with a wrong key: %d %s", status, got)
	}
}

func TestAnthropicReportsAnErrorWithinAStream(t *testing.T) {
	t.Parallel()
	_, got := start(t, Options{}).message(messageBody("errormid", "hi", true))
	if n := strings.Count(got, "text_delta"); n != 2 || !strings.Contains(got, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\"") ||
		strings.Contains(got, "message_stop") {
		t.Errorf("%d pieces in %s", n, got)
	}
}

func TestModelsAreListedInBothVendorsForms(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	_, _, got, _ := r.call("GET", "/v1/models", "")
	if m := object(t, got); m["object"] != "list" || len(m["data"].([]any)) != len(offered) {
		t.Errorf("got %s", got)
	}
	_, _, got, _ = r.call("GET", "/v1/models", "", anthropicHeaders...)
	if m := object(t, got); m["has_more"] != false || m["first_id"] != "echo" {
		t.Errorf("got %s", got)
	}
	_, _, got, _ = r.call("GET", "/v1/models/echo", "")
	if m := object(t, got); m["id"] != "echo" || m["object"] != "model" {
		t.Errorf("got %s", got)
	}
}
