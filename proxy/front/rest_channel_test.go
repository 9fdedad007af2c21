package front_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// spoken is what a server says that is a relative of the documented one.
type spoken struct {
	status int
	kind   string // content type; empty: none
	body   string
	header string // name and value, separated by a colon
}

const (
	asJSON   = "application/json"
	asEvents = "text/event-stream"
)

// outcomeOf asks a rest channel whose server says s, and returns the outcome.
func outcomeOf(t *testing.T, s spoken, stream bool) *world.Reply {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		path := map[bool]string{false: "/api/chat", true: "/api/chat/stream"}[stream]
		if r.URL.Path != path || r.Header.Get("Authorization") != "Bearer "+channelKey || !strings.Contains(string(body), `"preset":"m"`) {
			t.Errorf("asked %s %s as %q", r.URL.Path, body, r.Header.Get("Authorization"))
		}
		w.Header()["Content-Type"] = nil
		if s.kind != "" {
			w.Header().Set("Content-Type", s.kind)
		}
		if name, value, ok := strings.Cut(s.header, ":"); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.body)
	}))
	defer server.Close()
	w := world.Start(t, callers+fmt.Sprintf("channels:\n  - {id: up, kind: rest, url: %q, keys: [%s], replay: false, models: [m]}\n", server.URL, channelKey))
	c := world.NewRest(w, key)
	defer c.Close(t)
	return world.Put(t, c, world.Ask{Model: "m", Text: "hi", Stream: stream})
}

// Envelopes of docs/rules/rest.md 4.1, as answers in one piece.
func TestEveryEnvelopeOfARestServerIsUnderstood(t *testing.T) {
	t.Parallel()
	const failed = "502 MODEL_ERROR"
	for name, c := range map[string]struct {
		said spoken
		want string
	}{
		"documented":     {spoken{200, asJSON, `{"success":true,"data":{"response":"Hi","conversationId":"c","usage":{"promptTokens":1,"completionTokens":2,"totalTokens":3}}}`, ""}, `"Hi"`},
		"numeric code":   {spoken{200, asJSON, `{"code":0,"data":{"response":"Hi","usage":{}},"message":"ok"}`, ""}, `"Hi"`},
		"parts":          {spoken{200, asJSON, `{"code":0,"data":{"response":[{"type":"text","text":"H"},{"type":"image","url":"x"},{"type":"text","text":"i"}]}}`, ""}, `"Hi"`},
		"content":        {spoken{200, asJSON, `{"success":true,"data":{"content":"Hi","timestamp":"2026-01-01T00:00:00Z"}}`, ""}, `"Hi"`},
		"content parts":  {spoken{200, asJSON, `{"success":true,"data":{"content":[{"type":"text","text":"Hi"}]}}`, ""}, `"Hi"`},
		"no type":        {spoken{200, "", `{"success":true,"data":{"response":"Hi"}}`, ""}, `"Hi"`},
		"empty":          {spoken{200, asJSON, `{"success":true,"data":{"response":""}}`, ""}, failed},
		"no text":        {spoken{200, asJSON, `{"success":true,"data":{}}`, ""}, failed},
		"not JSON":       {spoken{200, asJSON, `Hi`, ""}, failed},
		"a page":         {spoken{200, "text/html", `<html>Hi</html>`, ""}, failed},
		"nothing":        {spoken{200, asJSON, ``, ""}, failed},
		"error":          {spoken{500, asJSON, `{"success":false,"error":"x","code":"INTERNAL_ERROR"}`, ""}, failed},
		"error in 200":   {spoken{200, asJSON, `{"success":false,"error":"x","code":"MODEL_ERROR"}`, ""}, failed},
		"timeout":        {spoken{504, asJSON, `{"success":false,"error":"x","code":"MODEL_ERROR","details":{"reason":"timeout"}}`, ""}, "504 MODEL_ERROR"},
		"-1":             {spoken{500, asJSON, `{"code":-1,"data":null,"message":"x"}`, ""}, failed},
		"-1 in 200":      {spoken{200, asJSON, `{"code":-1,"data":null,"message":"x"}`, ""}, failed},
		"1001":           {spoken{400, asJSON, `{"code":1001,"data":null,"message":"x"}`, ""}, failed},
		"1003":           {spoken{401, asJSON, `{"code":1003,"data":null,"message":"x"}`, ""}, "503 CHANNEL_UNAVAILABLE retry 10"},
		"1005 in 200":    {spoken{200, asJSON, `{"code":1005,"data":null,"message":"x"}`, ""}, "503 CHANNEL_UNAVAILABLE retry 10"},
		"3001":           {spoken{500, asJSON, `{"code":3001,"data":null,"message":"x"}`, ""}, "503 CHANNEL_UNAVAILABLE"},
		"3004":           {spoken{500, asJSON, `{"code":3004,"data":null,"message":"x"}`, ""}, "429 RATE_LIMITED retry 1"},
		"3006":           {spoken{500, asJSON, `{"code":3006,"data":null,"message":"x"}`, ""}, failed},
		"4001":           {spoken{500, asJSON, `{"code":4001,"data":null,"message":"x"}`, ""}, "429 RATE_LIMITED retry 1"},
		"6002":           {spoken{500, asJSON, `{"code":6002,"data":null,"message":"x"}`, ""}, failed},
		"9999":           {spoken{429, asJSON, `{"code":9999,"data":null,"message":"x"}`, "Retry-After:7"}, "429 RATE_LIMITED retry 7"},
		"errors":         {spoken{200, asJSON, `{"success":false,"errors":[{"path":"a","message":"x"},{"path":"b","message":"y"}]}`, ""}, failed},
		"bare error":     {spoken{200, asJSON, `{"error":"x"}`, ""}, failed},
		"error object":   {spoken{400, asJSON, `{"error":{"code":"VALIDATION_ERROR","message":"x"}}`, ""}, failed},
		"html":           {spoken{502, "text/html", `<html>` + strings.Repeat("x", 9999), ""}, failed},
		"plain":          {spoken{503, "text/plain", `busy`, ""}, failed},
		"plain, a hint":  {spoken{503, "text/plain", `busy`, "Retry-After:9"}, "429 RATE_LIMITED retry 9"},
		"empty refusal":  {spoken{500, "", ``, ""}, failed},
		"limited":        {spoken{429, asJSON, `{"success":false,"error":"x","code":"RATE_LIMITED"}`, "Retry-After:12"}, "429 RATE_LIMITED retry 12"},
		"our key is bad": {spoken{401, asJSON, `{"success":false,"error":"x","code":"INVALID_TOKEN"}`, ""}, "503 CHANNEL_UNAVAILABLE retry 10"},
		"no channel":     {spoken{503, asJSON, `{"success":false,"error":"x","code":"CHANNEL_UNAVAILABLE"}`, ""}, "503 CHANNEL_UNAVAILABLE"},
		"refused inside": {spoken{502, asJSON, `{"success":false,"error":"x","code":"API_ERROR","details":{"status":429,"message":"x"}}`, ""}, "429 RATE_LIMITED retry 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := outcomeOf(t, c.said, false).Outcome(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Vocabularies and framings of docs/rules/rest.md 4.2 and 4.3.
func TestEveryStreamOfARestServerIsUnderstood(t *testing.T) {
	t.Parallel()
	const cut = `"Hi" then 200 MODEL_ERROR`
	events := func(lines ...string) spoken {
		return spoken{200, asEvents, "data: " + strings.Join(lines, "\n\ndata: ") + "\n\n", ""}
	}
	for name, c := range map[string]struct {
		said spoken
		want string
	}{
		"English":            {events(`{"type":"start","conversationId":"c"}`, `{"type":"content","text":"H"}`, `{"type":"content","text":"i"}`, `{"type":"end","usage":{}}`), `"Hi"`},
		"Chinese":            {events(`{"type":"content","data":"Hi"}`, `{"type":"tool_call","data":{}}`, `{"type":"done","data":{"usage":{}}}`), `"Hi"`},
		"November":           {events(`{"content":"Hi"}`, `[DONE]`), `"Hi"`},
		"no start":           {events(`{"type":"content","text":"Hi"}`, `{"type":"end"}`), `"Hi"`},
		"unknown types":      {events(`{"type":"thinking","text":"x"}`, `{"type":"content","text":"Hi"}`, `[1]`, `{"type":"end"}`), `"Hi"`},
		"after the end":      {events(`{"type":"content","text":"Hi"}`, `{"type":"end"}`, `{"type":"content","text":"more"}`, `{"type":"error","error":"x"}`), `"Hi"`},
		"error event":        {events(`{"type":"content","text":"Hi"}`, `{"type":"error","error":"x","code":"MODEL_ERROR"}`), cut},
		"bare error":         {events(`{"content":"Hi"}`, `{"error":"x"}`), cut},
		"error at once":      {events(`{"type":"start"}`, `{"type":"error","error":"x","code":"RATE_LIMITED"}`), "429 RATE_LIMITED retry 1"},
		"no end":             {events(`{"type":"start"}`, `{"type":"content","text":"Hi"}`), cut},
		"no end, nothing":    {events(`{"type":"start"}`), "502 MODEL_ERROR"},
		"an end alone":       {events(`{"type":"start"}`, `{"type":"end"}`), "502 MODEL_ERROR"},
		"no blank lines":     {spoken{200, asEvents, "data: {\"type\":\"start\"}\ndata: {\"type\":\"content\",\"text\":\"H\"}\ndata: {\"type\":\"content\",\"text\":\"i\"}\ndata: {\"type\":\"end\"}\n", ""}, `"Hi"`},
		"one line each, cut": {spoken{200, asEvents, "data: {\"type\":\"content\",\"text\":\"Hi\"}\n\ndata: {\"type\":\"end\"}", ""}, `"Hi"`},
		"cut in an event":    {spoken{200, asEvents, "data: {\"type\":\"content\",\"text\":\"Hi\"}\n\ndata: {\"type\":\"e", ""}, cut},
		"CR LF, BOM, pings":  {spoken{200, asEvents, "\xef\xbb\xbf: hello\r\n\r\nevent: ping\r\ndata: {}\r\n\r\nevent: heartbeat\r\ndata: now\r\n\r\nid: 5\r\nretry: 9\r\ndata:{\"type\":\"content\",\r\ndata: \"text\":\"Hi\"}\r\n\r\ndata: {\"type\":\"end\"}\r\n\r\n", ""}, `"Hi"`},
		"CR":                 {spoken{200, asEvents, "data: {\"type\":\"content\",\"text\":\"Hi\"}\r\rdata: {\"type\":\"end\"}\r\r", ""}, `"Hi"`},
		"no content type":    {spoken{200, "", "data: {\"type\":\"content\",\"text\":\"Hi\"}\n\ndata: {\"type\":\"end\"}\n\n", ""}, `"Hi"`},
		"nonsense":           {events(`{"type":"content","text":"Hi"}`, `oops`), cut},
		"too long":           {events(`{"type":"content","text":"Hi"}`, `{"type":"content","text":"`+strings.Repeat("x", 1<<20)+`"}`), cut},
		"whole":              {spoken{200, asJSON, `{"success":true,"data":{"response":"Hi"}}`, ""}, `"Hi" in one`},
		"whole error":        {spoken{200, asJSON, `{"success":false,"error":"x","code":"MODEL_ERROR"}`, ""}, "502 MODEL_ERROR"},
		"refused":            {spoken{404, asJSON, `{"success":false,"error":"x","code":"PRESET_NOT_FOUND"}`, ""}, "503 CHANNEL_UNAVAILABLE retry 10"},
		"limited":            {spoken{429, asJSON, `{"success":false,"error":"x","code":"RATE_LIMITED"}`, "Retry-After:3"}, "429 RATE_LIMITED retry 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, inOne := strings.CutSuffix(c.want, " in one")
			r := outcomeOf(t, c.said, true)
			if got := r.Outcome(); got != want || inOne && len(r.Pieces) != 1 {
				t.Errorf("got %s in %d pieces, want %s", got, len(r.Pieces), c.want)
			}
		})
	}
}
