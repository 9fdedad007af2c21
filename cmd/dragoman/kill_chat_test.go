package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"
)

func TestTheQuestionOfANewConversationSurvivesAKillFromItsFirstFrameOn(t *testing.T) {
	t.Parallel()
	conf := childConf(t, filepath.Join(t.TempDir(), "k.db"))
	text, err := os.ReadFile(conf)
	if err == nil {
		err = os.WriteFile(conf, []byte(strings.Replace(string(text), "models: [echo]", "models: [echo, {name: late, upstream: echo-first-60000}]", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	open := func(c *child) *websocket.Conn {
		t.Helper()
		ws, err := c.chat()
		if err != nil {
			t.Fatal(err)
		}
		return ws
	}
	c := serving(t, conf)
	for i := range 3 {
		ws := open(c)
		defer func() { _ = ws.Close() }()
		if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"chat","model":"late","message":"a long prompt"}`)); err != nil {
			t.Fatal(err)
		}
		var first struct{ Conversation int }
		if err := ws.ReadJSON(&first); err != nil || first.Conversation != i+1 {
			t.Fatalf("%+v, %v", first, err)
		}
	}
	c.kill()
	c = serving(t, conf)
	for path, want := range map[string]string{
		"/conversation/load?id=1": `"message":[{"role":"user","content":"a long prompt"}]`,
		"/conversation/load?id=3": `"message":[{"role":"user","content":"a long prompt"}]`,
		"/conversation/list":      `"id":3,"name":"a long prompt"`,
		"/api/conversations":      `"total":0`,
	} {
		if _, got, err := c.call("GET", path, ""); err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %s, %v; want %s", path, got, err, want)
		}
	}
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+c.addr+"/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	for _, frame := range []string{`{"token":"` + childKey + `","id":2}`, `{"type":"restart","model":"echo","message":""}`} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	said := ""
	for end := false; !end; {
		var f struct {
			Message string
			End     bool
		}
		if err := ws.ReadJSON(&f); err != nil {
			t.Fatal(err)
		}
		said, end = said+f.Message, f.End
	}
	if said != `Hello, you said "a long prompt" (n=1)` {
		t.Errorf("asked again: %s", said)
	}
	c.stop(t)
}
