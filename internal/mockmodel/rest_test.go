package mockmodel

import (
	"strings"
	"testing"
)

func restBody(model, text string) string {
	return `{"message":"` + text + `","userId":"u","groupId":"g","preset":"` + model + `"}`
}

func TestRestStreamsStartContentAndEnd(t *testing.T) {
	t.Parallel()
	_, _, got, err := start(t, Options{}).call("POST", "/api/chat/stream", restBody("", "hi"))
	if err != nil {
		t.Fatal(err)
	}
	id := object(t, events(t, got)[0])["conversationId"].(string)
	want := `data: {"type":"start","conversationId":"` + id + `"}

data: {"type":"content","text":"Hello"}

data: {"type":"content","text":", "}

data: {"type":"content","text":"you said "}

data: {"type":"content","text":"\"hi\""}

data: {"type":"content","text":" (n=1)"}

data: {"type":"end","usage":{"promptTokens":1,"completionTokens":5,"totalTokens":6}}

`
	if got != want || !strings.HasPrefix(id, "conv_") {
		t.Errorf("got\n%s", got)
	}
}

func TestRestRemembersATurnOnlyWhenItSucceeded(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, model := range []string{"say", "fail-500", "cut", "errormid"} {
		_, _, _, _ = r.call("POST", "/api/chat/stream", restBody(model, "first"))
	}
	_, _, got, _ := r.call("POST", "/api/chat", restBody("recall", "second"))
	data := object(t, got)["data"].(map[string]any)
	if data["response"] != "user: first | assistant: first | user: second" {
		t.Errorf("got %s", got)
	}
	other := strings.Replace(restBody("recall", "third"), `"g"`, `"h"`, 1)
	if _, _, got, _ = r.call("POST", "/api/chat", other); !strings.Contains(got, `"response":"user: third"`) {
		t.Errorf("another group: %s", got)
	}
	id := data["conversationId"].(string)
	_, _, got, _ = r.call("GET", "/api/conversations/"+id, "")
	if ms := object(t, got)["data"].(map[string]any)["messages"].([]any); len(ms) != 4 {
		t.Errorf("load: %s", got)
	}
	_, _, got, _ = r.call("GET", "/api/conversations?groupId=g", "")
	if d := object(t, got)["data"].(map[string]any); d["total"] != 1.0 || !strings.Contains(got, `"messageCount":4`) {
		t.Errorf("list: %s", got)
	}
	if _, _, got, _ = r.call("POST", "/api/conversations/"+id+"/clear", ""); got != `{"success":true,"message":"Context cleared"}` {
		t.Errorf("clear: %s", got)
	}
	if _, _, got, _ = r.call("POST", "/api/chat", restBody("recall", "x")); !strings.Contains(got, `"response":"user: x"`) {
		t.Errorf("after clear: %s", got)
	}
	if _, _, got, _ = r.call("DELETE", "/api/conversations/"+id, ""); got != `{"success":true}` {
		t.Errorf("delete: %s", got)
	}
	status, _, got, _ := r.call("DELETE", "/api/conversations/"+id, "")
	if status != 404 || object(t, got)["code"] != "CONVERSATION_NOT_FOUND" {
		t.Errorf("second delete: %d %s", status, got)
	}
}

func TestRestRefusesInItsEnvelope(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Keys: []string{"k"}})
	good := []string{"Authorization", "Bearer k"}
	tests := []struct {
		body   string
		key    []string
		status int
		code   string
	}{
		{restBody("fail-429-retry-7", "hi"), good, 429, "RATE_LIMITED"},
		{restBody("fail-503", "hi"), good, 503, "CHANNEL_UNAVAILABLE"},
		{restBody("fail-404", "hi"), good, 404, "PRESET_NOT_FOUND"},
		{restBody("fail-500", "hi"), good, 500, "INTERNAL_ERROR"},
		{restBody("echo", "hi"), nil, 401, "UNAUTHORIZED"},
		{restBody("echo", "hi"), []string{"X-API-Key", "bad"}, 401, "INVALID_TOKEN"},
		{restBody("echo", " "), good, 400, "VALIDATION_ERROR"},
		{`{"message":"x"}`, good, 400, "VALIDATION_ERROR"},
	}
	for _, path := range []string{"/api/chat", "/api/chat/stream"} {
		for _, test := range tests {
			status, h, got, _ := r.call("POST", path, test.body, test.key...)
			m := object(t, got)
			if _, text := m["error"].(string); status != test.status || m["code"] != test.code || m["success"] != false || !text {
				t.Errorf("%s: %d %s", test.body, status, got)
			}
			if test.status == 429 && h.Get("Retry-After") != "7" {
				t.Errorf("Retry-After %q", h.Get("Retry-After"))
			}
		}
	}
}

func TestRestSaysAToolCallAsText(t *testing.T) {
	t.Parallel()
	_, _, got, _ := start(t, Options{}).call("POST", "/api/chat", restBody("reason-tool", "hi"))
	if d := object(t, got)["data"].(map[string]any); d["response"] != `lookup({"q":"hi"})` {
		t.Errorf("got %s", got)
	}
}

func TestRestBreaksWhereTheFaultSays(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, test := range []struct {
		model  string
		pieces int
		has    string
		cut    bool
	}{
		{"errormid", 2, `{"type":"error","error":`, false},
		{"error200", 0, `{"type":"error","error":`, false},
		{"noend", 5, `(n=1)`, false},
		{"cut", 2, ``, true},
		{"cut0", 0, `"start"`, true},
		{"blank", 0, ``, false},
	} {
		_, _, got, err := r.call("POST", "/api/chat/stream", restBody(test.model, "hi"))
		if n := strings.Count(got, `"content"`); n != test.pieces || !strings.Contains(got, test.has) || (err != nil) != test.cut || strings.Contains(got, `"end"`) {
			t.Errorf("%s: %d pieces, %v in %s", test.model, n, err, got)
		}
	}
}
