package front_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// markedBodies are a question, or another call with a body, of each front.
var markedBodies = []struct{ path, body, good string }{
	{"/v1/chat/completions", `{"model":"echo","messages":[{"role":"user","content":"hello"}]}`, "hello"},
	{"/v1/embeddings", `{"model":"echo","input":"hello"}`, "embedding"},
	{"/v1/messages", `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hello"}]}`, "hello"},
	{"/v1/messages/count_tokens", `{"model":"echo","messages":[{"role":"user","content":"hello"}]}`, "input_tokens"},
	{"/v1/responses", `{"model":"echo","input":"hello"}`, "hello"},
	{"/v1beta/models/echo:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}`, "hello"},
	{"/ollama/api/chat", `{"model":"echo","messages":[{"role":"user","content":"hello"}]}`, "hello"},
	{"/ollama/api/show", `{"model":"echo"}`, "echo"},
	{"/api/chat", `{"userId":"u","message":"hello"}`, "hello"},
	{"/api/chat/stream", `{"userId":"u","message":"hello"}`, "hello"},
	{"/conversation/rename", `{"id":1,"name":"n"}`, `"status":`},
}

// wide is s as UTF-16.
func wide(s string, order binary.AppendByteOrder) string {
	var p []byte
	for _, u := range utf16.Encode([]rune(s)) {
		p = order.AppendUint16(p, u)
	}
	return string(p)
}

func TestAByteOrderMarkBeforeAQuestionIsReadPastAndAnotherEncodingIsNamed(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"presets: {default: {model: echo}}\nchannels:\n"+channel("o", "openai", "", "echo"))
	headers := []string{"Authorization", "Bearer " + key, "Content-Type", "application/json; charset=utf-8"}
	for _, c := range markedBodies {
		t.Run(c.path, func(t *testing.T) {
			plain, _, want := w.Do(t, "POST", c.path, c.body, headers...)
			if plain != 200 || !strings.Contains(want, c.good) {
				t.Fatalf("without a mark: %d %s", plain, want)
			}
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			fmt.Fprint(z, "\ufeff"+c.body)
			_ = z.Close()
			for name, marked := range map[string]struct {
				body string
				with []string
			}{
				"a mark":              {"\ufeff" + c.body, nil},
				"a mark and a line":   {"\ufeff\r\n" + c.body, nil},
				"a mark in gzip":      {packed.String(), []string{"Content-Encoding", "gzip"}},
				"a mark, a long body": {"\ufeff" + strings.Repeat(" ", 20<<10) + c.body, nil},
			} {
				status, _, body := w.Do(t, "POST", c.path, marked.body, append(headers, marked.with...)...)
				if status != 200 || !strings.Contains(body, c.good) {
					t.Errorf("%s: %d %s", name, status, body)
				}
			}
			for name, body := range map[string]string{
				"UTF-16, little":               "\xff\xfe" + wide(c.body, binary.LittleEndian),
				"UTF-16, big":                  "\xfe\xff" + wide(c.body, binary.BigEndian),
				"UTF-16, little, without mark": wide(c.body, binary.LittleEndian),
				"UTF-16, big, without mark":    wide(c.body, binary.BigEndian),
				"UTF-16, long":                 "\xff\xfe" + wide(strings.Repeat(" ", 20<<10)+c.body, binary.LittleEndian),
			} {
				status, _, got := w.Do(t, "POST", c.path, body, headers...)
				if !strings.Contains(got, "the body is UTF-16") || !strings.Contains(got, "UTF-8") || !strings.HasPrefix(got, "{") {
					t.Errorf("%s: %d %s", name, status, got)
				}
			}
			if status, _, got := w.Do(t, "POST", c.path, "\ufeff\ufeff"+c.body, headers...); strings.Contains(got, "hello") {
				t.Errorf("two marks: %d %s", status, got)
			}
		})
	}
}

func TestAByteOrderMarkBeforeAMessageOfASocketIsReadPast(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"presets: {default: {model: echo}}\nchannels:\n"+channel("o", "openai", "", "echo"))
	for path, frame := range map[string]string{
		"/ws/v1/chat?app_token=" + key: `{"chat_type":1,"msg_id":"m-1","timestamp":1,"sender_type":1,"sender_id":"u","receiver_id":"echo","resp_code":0,"content_type":1,"content":"hello"}`,
		"/chat?token=" + key:           `{"type":"chat","message":"hello","model":"echo"}`,
		"/v1/responses":                `{"type":"response.create","model":"echo","input":"hello"}`,
	} {
		ws := w.Socket(t, path, "Authorization", "Bearer "+key)
		if err := ws.WriteMessage(websocket.TextMessage, []byte("\ufeff"+frame)); err != nil {
			t.Fatal(err)
		}
		for all := ""; !strings.Contains(all, "hello"); {
			_, msg, err := ws.ReadMessage()
			if err != nil {
				t.Errorf("%s: %v after %s", path, err, all)
				break
			}
			all += string(msg)
		}
		_ = ws.Close()
	}
}
