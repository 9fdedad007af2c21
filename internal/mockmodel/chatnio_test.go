package mockmodel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// ws is a client's socket.
type ws struct {
	*websocket.Conn
	t *testing.T
}

func (r *rig) dial(path string) ws {
	r.t.Helper()
	c, resp, err := websocket.DefaultDialer.DialContext(r.t.Context(), "ws://"+r.addr+path, http.Header{})
	if err != nil {
		r.t.Fatalf("%s: %v (%v)", path, err, resp)
	}
	r.t.Cleanup(func() { c.Close() })
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return ws{c, r.t}
}

func (c ws) say(frames ...string) {
	c.t.Helper()
	for _, f := range frames {
		if err := c.WriteMessage(websocket.TextMessage, []byte(f)); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c ws) hear() string {
	c.t.Helper()
	_, b, err := c.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// ends reads until the connection ends and returns what came and the close code.
func (c ws) ends() (frames []string, code int) {
	c.t.Helper()
	for {
		_, b, err := c.ReadMessage()
		if e, ok := err.(*websocket.CloseError); ok {
			return frames, e.Code
		}
		if err != nil {
			return frames, 1006
		}
		frames = append(frames, string(b))
	}
}

type chatReply struct {
	Conversation int64
	Quota        float64
	Keyword      *string
	Message      string
	End          bool
	Plan         *bool
}

// turn reads the frames of one turn.
func (c ws) turn() (frames []chatReply) {
	c.t.Helper()
	for {
		var f chatReply
		s := c.hear()
		if err := json.Unmarshal([]byte(s), &f); err != nil || f.Keyword == nil || f.Plan == nil {
			c.t.Fatalf("%v in %q", err, s)
		}
		frames = append(frames, f)
		if f.End {
			return frames
		}
	}
}

// text reads a turn and returns what it says.
func (c ws) text() string {
	s := ""
	for _, f := range c.turn() {
		s += f.Message
	}
	return s
}

func chat(model, text string) string {
	return `{"type":"chat","message":"` + text + `","web":false,"model":"` + model + `","ignore_context":false}`
}

const auth = `{"token":"sk-a","id":-1}`

func TestChatnioSendsTheFramesOfATurn(t *testing.T) {
	t.Parallel()
	c := start(t, Options{}).dial("/chat")
	c.say(auth, chat("mock-echo", "hi"))
	for i, want := range []string{
		`{"conversation":1,"quota":0,"keyword":"","message":"","end":false,"plan":false}`,
		`{"conversation":0,"quota":0.004,"keyword":"","message":"","end":false,"plan":false}`,
		`{"conversation":0,"quota":0.006,"keyword":"","message":"Hello","end":false,"plan":false}`,
		`{"conversation":0,"quota":0.008,"keyword":"","message":", ","end":false,"plan":false}`,
		`{"conversation":0,"quota":0.01,"keyword":"","message":"you said ","end":false,"plan":false}`,
		`{"conversation":0,"quota":0.012,"keyword":"","message":"\"hi\"","end":false,"plan":false}`,
		`{"conversation":0,"quota":0.014,"keyword":"","message":" (n=1)","end":false,"plan":false}`,
		`{"conversation":0,"quota":0.016,"keyword":"","message":"","end":false,"plan":false}`,
		`{"conversation":0,"quota":0.016,"keyword":"","message":"","end":true,"plan":false}`,
	} {
		if got := c.hear(); got != want+"\n" {
			t.Errorf("frame %d: %q, want %q", i, got, want)
		}
	}
	c.say(chat("recall", "again"))
	frames := c.turn()
	if frames[0].Conversation != 1 || frames[1].Message != "" {
		t.Errorf("second turn %+v", frames)
	}
}

func TestChatnioSeesEightMessagesUnlessTheFrameSaysMore(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	var mask []map[string]string
	for i := range 9 {
		mask = append(mask, map[string]string{"role": []string{"system", "user", "assistant"}[min(i, 1+i%2)], "content": fmt.Sprint("m", i)})
	}
	b, _ := json.Marshal(mask)
	frame, _ := json.Marshal(map[string]string{"type": "mask", "message": string(b)})
	c := r.dial("/api/chat")
	c.say(auth, string(frame), chat("recall", "q"))
	if got := c.text(); strings.Contains(got, "system") || strings.Count(got, "|") != 7 || !strings.HasSuffix(got, "user: q") {
		t.Errorf("default window: %q", got)
	}
	c = r.dial("/chat")
	c.say(auth, string(frame), `{"message":"q","model":"recall","context":10}`)
	if got := c.text(); !strings.HasPrefix(got, "system: m0 | user: m1 | user: m2") || strings.Count(got, "|") != 9 {
		t.Errorf("window of ten: %q", got)
	}
	c.say(`{"message":"only","model":"recall","ignore_context":true}`)
	if got := c.text(); got != "user: only" {
		t.Errorf("ignore_context: %q", got)
	}
}

func TestChatnioContinuesAStoredConversation(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c := r.dial("/chat")
	c.say(auth, chat("say", "one"))
	c.turn()
	c = r.dial("/chat")
	c.say(`{"token":"Bearer sk-a","id":1}`, chat("recall", "two"))
	if got := c.text(); got != "user: one | assistant: one | user: two" {
		t.Errorf("got %q", got)
	}
	c = r.dial("/chat")
	c.say(`{"token":"sk-b","id":1}`, chat("recall", "mine"))
	if f := c.turn(); f[2].Message != "user: mine" {
		t.Errorf("another token: %+v", f)
	}
	signed := []string{"Authorization", "Bearer sk-a"}
	_, _, got, _ := r.call("GET", "/conversation/load?id=1", "", signed...)
	want := `{"data":{"auth":false,"user_id":1,"id":1,"name":"one","message":[{"role":"user","content":"one"},{"role":"assistant","content":"one"},` +
		`{"role":"user","content":"two"},{"role":"assistant","content":"user: one | assistant: one | user: two"}],"model":"say","enable_web":false,"shared":false,"context":0},"message":"","status":true}`
	if got != want {
		t.Errorf("load: %s", got)
	}
	for path, want := range map[string]string{
		"/api/conversation/list":    `"id":1,"name":"one"`,
		"/conversation/load?id=x":   `{"message":"invalid id","status":false}`,
		"/conversation/load?id=9":   `{"message":"conversation not found","status":false}`,
		"/conversation/delete?id=9": `{"message":"conversation not found","status":false}`,
	} {
		if _, _, got, _ := r.call("GET", path, "", signed...); !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
	if _, _, got, _ := r.call("GET", "/conversation/delete?id=1", "", signed...); got != `{"message":"","status":true}` {
		t.Errorf("delete: %s", got)
	}
	if _, _, got, _ := r.call("GET", "/conversation/list", "", signed...); got != `{"data":null,"message":"","status":true}` {
		t.Errorf("empty list: %s", got)
	}
	if _, _, got, _ := r.call("GET", "/conversation/list", ""); got != `{"message":"user not found","status":false}` {
		t.Errorf("not signed in: %s", got)
	}
}

func TestChatnioTakesAnUnknownTokenAsAnonymousWithoutAWord(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Keys: []string{"sk-good"}})
	c := r.dial("/chat")
	c.say(auth, chat("echo", "hi"))
	f := c.turn()
	if len(f) != 2 || f[0].Conversation != -1 || f[1].Message != "not authenticated error (model: echo)" || f[1].Quota != 0 {
		t.Errorf("got %+v", f)
	}
	c = start(t, Options{}).dial("/chat")
	c.say(`{"token":"anonymous","id":5}`, chat("recall", "hi"))
	if f := c.turn(); f[0].Conversation != -1 || f[2].Message != "user: hi" {
		t.Errorf("a free model: %+v", f)
	}
	_, resp, err := websocket.DefaultDialer.Dial("ws://"+r.addr+"/chat", http.Header{"Authorization": {"Bearer sk-bad"}})
	if err == nil || resp.StatusCode != 401 {
		t.Errorf("an unknown key on the upgrade: %v", err)
	}
}

func TestChatnioClosesOnFramesOfWrongTypes(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, frames := range [][]string{
		{`{"token":"sk-a","id":"-1"}`},
		{`{"token":"sk-a","id":-1.5}`},
		{`[]`},
		{`{oops`},
		{auth, `{"message":"x","web":"true"}`},
		{auth, `{oops`},
	} {
		c := r.dial("/chat")
		c.say(frames...)
		if got, code := c.ends(); len(got) != 0 || code != 1006 {
			t.Errorf("%q: %q, code %d", frames, got, code)
		}
	}
}

func TestChatnioSaysNothingToPingsUnknownTypesAndEmptyMessages(t *testing.T) {
	t.Parallel()
	c := start(t, Options{}).dial("/chat")
	c.say(`{"type":"ping"}`, auth, `{"type":"ping"}`, `{"type":"foo","message":"x"}`, chat("echo", ""), chat("recall", "q"))
	if got := c.text(); got != "user: q" {
		t.Errorf("got %q", got)
	}
}

func TestChatnioEndsAStoppedTurnTwice(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c := r.dial("/chat")
	c.say(auth, chat("long-3-slow-60000", "q"))
	for f := c.hear(); !strings.Contains(f, "w0"); f = c.hear() {
	}
	c.say(`{"type":"stop"}`)
	if a, b := c.hear(), c.hear(); a != b || !strings.Contains(a, `"message":"","end":true`) {
		t.Errorf("got %q and %q", a, b)
	}
	c.say(chat("first-60000", "q"))
	c.hear()
	c.say(`{"type":"stop"}`)
	if a, b := c.hear(), c.hear(); !strings.Contains(a, `"message":"","end":true`) || !strings.Contains(b, `"quota":0,"keyword":"","message":"empty response","end":true`) {
		t.Errorf("got %q and %q", a, b)
	}
	c.say(`{"type":"stop"}`, chat("recall", "r"))
	if got := c.text(); got != "user: q | assistant: w0  | user: q | assistant:  | user: r" {
		t.Errorf("afterwards %q", got)
	}
	if r.Left() != 0 {
		t.Errorf("%d clients left", r.Left())
	}
}

func TestChatnioRestartsEditsAndRemoves(t *testing.T) {
	t.Parallel()
	c := start(t, Options{}).dial("/chat")
	c.say(auth, chat("say", "a"))
	c.turn()
	c.say(`{"type":"restart","model":"recall"}`)
	if got := c.text(); got != "user: a" {
		t.Errorf("restart: %q", got)
	}
	c.say(`{"type":"remove","message":"2"}`, `{"type":"edit","message":"0:b:c"}`, chat("recall", "d"))
	if got := c.text(); got != "user: b:c | assistant: a | user: d" {
		t.Errorf("got %q", got)
	}
}

func TestChatnioReportsFailuresAsErrorTurns(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for model, want := range map[string]string{
		"fail-502": "request failed with status code: 502",
		"fail-429": "the scripted model fails as its name asks: status 429 (type: rate_limit_error)",
		"fail-401": "not authenticated error (model: fail-401)",
		"fail-404": "cannot find channel for model fail-404",
		"context":  "This model's maximum context length is 8 tokens. However, your messages resulted in 1 tokens. (type: invalid_request_error)",
		"error200": "the scripted model broke, as its name asks (type: server_error)",
	} {
		c := r.dial("/chat")
		c.say(auth, chat(model, "hi"))
		if f := c.turn(); len(f) != 2 || f[1].Message != want || f[0].Conversation < 1 {
			t.Errorf("%s: %+v", model, f)
		}
	}
	c := r.dial("/chat")
	c.say(auth, chat("errormid", "hi"), chat("double", "hi"), chat("empty", "hi"))
	if f := c.turn(); len(f) != 5 || f[3].Message != ", " || f[4].Message == "" {
		t.Errorf("errormid: %+v", f)
	}
	c.turn()
	if f := c.turn(); len(f) != 1 || !f[0].End || f[0].Message != "" || f[0].Conversation != 0 {
		t.Errorf("the second end frame: %+v", f)
	}
	if f := c.turn(); len(f) != 2 || f[1].Message != "" || f[1].Quota != 0 {
		t.Errorf("empty: %+v", f)
	}
}

func TestChatnioBreaksTheConnectionWhereTheFaultSays(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, test := range []struct {
		model  string
		frames int
		code   int
	}{{"drop", 0, 1006}, {"cut0", 1, 1006}, {"cut", 4, 1006}, {"blank", 0, 1000}, {"noend", 7, 1000}} {
		c := r.dial("/chat")
		c.say(auth, chat(test.model, "hi"))
		if got, code := c.ends(); len(got) != test.frames || code != test.code {
			t.Errorf("%s: %d frames %q, code %d", test.model, len(got), got, code)
		}
	}
	eventually(t, "nothing runs", func() bool { return r.Active() == 0 })
	if r.Left() != 0 {
		t.Errorf("%d clients left", r.Left())
	}
}

func TestAChatnioClientThatLeavesIsCounted(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"hang", "stall", "stallmid", "long-9-slow-60000"} {
		r := start(t, Options{})
		c := r.dial("/chat")
		c.say(auth, chat(model, "hi"))
		eventually(t, "a turn", func() bool { return r.Active() == 1 })
		c.Close()
		eventually(t, model+": the server notices", func() bool { return r.Left() == 1 && r.Active() == 0 && r.Conns() == 0 })
	}
}

func TestAPlainGetOfTheChatPathIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	if status, _, got, _ := r.call("GET", "/chat", ""); status != 400 || !strings.HasPrefix(got, "Bad Request\n{") {
		t.Errorf("%d %s", status, got)
	}
	if status, _, got, _ := r.call("POST", "/chat", ""); status != 404 {
		t.Errorf("%d %s", status, got)
	}
}

func TestATurnToForgetIsNotRemembered(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c, a := r.dial("/chat"), r.dial(agentPath)
	c.say(auth, chat("forget", "one"), chat("recall", "two"))
	c.turn()
	if got := c.text(); got != "user: two" {
		t.Errorf("chatnio: %q", got)
	}
	a.say(agentMessage("1", "u", "recall-forget", "one"), agentMessage("2", "u", "recall-forget", "two"))
	a.reply()
	if got := a.reply().Content; got != "user: two" {
		t.Errorf("iagent: %q", got)
	}
	_, _, _, _ = r.call("POST", "/api/chat", restBody("forget", "one"))
	if _, _, got, _ := r.call("POST", "/api/chat", restBody("recall", "two")); !strings.Contains(got, `"user: two"`) {
		t.Errorf("rest: %s", got)
	}
}
