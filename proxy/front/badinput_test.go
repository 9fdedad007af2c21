package front_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// exchange sends one frame and reads one.
func exchange(t *testing.T, ws *websocket.Conn, frame string) string {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		t.Fatal(err)
	}
	_, msg, err := ws.ReadMessage()
	if err != nil {
		t.Fatalf("to %.100s: %v", frame, err)
	}
	return string(msg)
}

// large is a JSON string of ten million bytes.
var large = `"` + strings.Repeat("x", 10_000_000) + `"`

const (
	chatBody    = `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`
	messageBody = `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	restBody    = `{"message":"hi","userId":"u"}`
)

// bad are requests that deserve no answer, and what they get: the status, and
// pieces of the body.
var bad = []struct {
	name, method, path, body, token string
	status                          int
	want                            []string
}{
	{"no JSON", "POST", "/v1/chat/completions", `{"model":`, key, 400, []string{`"type":"invalid_request_error"`}},
	{"a list", "POST", "/v1/chat/completions", `[]`, key, 400, []string{`"type":"invalid_request_error"`}},
	{"two values", "POST", "/v1/chat/completions", chatBody + chatBody, key, 400, []string{`"type":"invalid_request_error"`}},
	{"nothing", "POST", "/v1/chat/completions", ``, key, 400, []string{`"type":"invalid_request_error"`}},
	{"messages of a wrong type", "POST", "/v1/chat/completions", `{"model":"echo","messages":"hi"}`, key, 400, []string{`"type":"invalid_request_error"`}},
	{"a role of a wrong type", "POST", "/v1/chat/completions", `{"model":"echo","messages":[{"role":7,"content":"hi"}]}`, key, 400, []string{`"type":"invalid_request_error"`}},
	{"no messages", "POST", "/v1/chat/completions", `{"model":"echo","messages":[]}`, key, 400, []string{`"type":"invalid_request_error"`}},
	{"stream of a wrong type", "POST", "/v1/chat/completions", `{"stream":"yes",` + chatBody[1:], key, 400, []string{`"type":"invalid_request_error"`}},
	{"an unknown model", "POST", "/v1/chat/completions", strings.Replace(chatBody, "echo", "nope", 1), key, 404, []string{`"code":"model_not_found"`, `"type":"invalid_request_error"`}},
	{"no key", "POST", "/v1/chat/completions", chatBody, "", 401, []string{`"code":"invalid_api_key"`}},
	{"a wrong key", "POST", "/v1/chat/completions", chatBody, "sk-wrong", 401, []string{`"code":"invalid_api_key"`}},
	{"a wrong method", "GET", "/v1/chat/completions", ``, key, 405, []string{`"type":"invalid_request_error"`}},
	{"an unknown path", "POST", "/v1/nothing", chatBody, key, 404, []string{`"type":"invalid_request_error"`}},
	{"models without a key", "GET", "/v1/models", ``, "", 401, []string{`"code":"invalid_api_key"`}},
	{"an unknown model in the list", "GET", "/v1/models/nope", ``, key, 404, []string{`"code":"model_not_found"`}},
	{"a body above 32 MiB", "POST", "/v1/chat/completions", `{"x":"` + strings.Repeat("x", 34<<20) + `"}`, key, 413, []string{`"type":"invalid_request_error"`}},

	{"no JSON", "POST", "/v1/messages", `{"model":`, key, 400, []string{`"type":"error"`, `"type":"invalid_request_error"`, `"request_id"`}},
	{"max_tokens of a wrong type", "POST", "/v1/messages", strings.Replace(messageBody, "9", `"nine"`, 1), key, 400, []string{`"type":"invalid_request_error"`}},
	{"no messages", "POST", "/v1/messages", `{"model":"echo","max_tokens":9,"messages":[]}`, key, 400, []string{`"type":"invalid_request_error"`}},
	{"an unknown model", "POST", "/v1/messages", strings.Replace(messageBody, "echo", "nope", 1), key, 404, []string{`"type":"not_found_error"`}},
	{"no key", "POST", "/v1/messages", messageBody, "", 401, []string{`"type":"authentication_error"`}},
	{"a wrong key", "POST", "/v1/messages", messageBody, "sk-wrong", 401, []string{`"type":"authentication_error"`}},
	{"a wrong method", "DELETE", "/v1/messages", ``, key, 405, []string{`"type":"error"`}},

	{"no JSON", "POST", "/api/chat", `{"message":`, key, 400, []string{`"success":false`, `"code":"VALIDATION_ERROR"`}},
	{"a list", "POST", "/api/chat", `[1]`, key, 400, []string{`"code":"VALIDATION_ERROR"`}},
	{"no user", "POST", "/api/chat", `{"message":"hi"}`, key, 400, []string{`"code":"VALIDATION_ERROR"`}},
	{"an empty message", "POST", "/api/chat/stream", `{"message":"  ","userId":"u"}`, key, 400, []string{`"code":"VALIDATION_ERROR"`}},
	{"a message of a wrong type", "POST", "/api/chat", `{"message":{},"userId":"u"}`, key, 400, []string{`"code":"VALIDATION_ERROR"`}},
	{"a user of a wrong type", "POST", "/api/chat", `{"message":"hi","userId":[]}`, key, 400, []string{`"code":"VALIDATION_ERROR"`}},
	{"a large body", "POST", "/api/chat", `{"userId":"u","message":` + large + `}`, key, 413, []string{`"code":"PAYLOAD_TOO_LARGE"`}},
	{"an unknown preset", "POST", "/api/chat", `{"preset":"nope",` + restBody[1:], key, 404, []string{`"code":"PRESET_NOT_FOUND"`}},
	{"an unknown conversation", "POST", "/api/chat", `{"conversationId":"conv_no",` + restBody[1:], key, 404, []string{`"code":"CONVERSATION_NOT_FOUND"`}},
	{"an unknown conversation", "GET", "/api/conversations/conv_no", ``, key, 404, []string{`"code":"CONVERSATION_NOT_FOUND"`}},
	{"an unknown conversation", "DELETE", "/api/conversations/conv_no", ``, key, 404, []string{`"code":"CONVERSATION_NOT_FOUND"`}},
	{"an unknown conversation", "POST", "/api/conversations/a%3Ab%2Fc/clear", ``, key, 404, []string{`"code":"CONVERSATION_NOT_FOUND"`}},
	{"no key", "POST", "/api/chat", restBody, "", 401, []string{`"code":"UNAUTHORIZED"`}},
	{"a wrong key", "GET", "/api/conversations", ``, "sk-wrong", 401, []string{`"code":"INVALID_TOKEN"`}},
	{"a bad limit", "GET", "/api/conversations?limit=0", ``, key, 400, []string{`"code":"VALIDATION_ERROR"`}},
	{"a bad limit", "GET", "/api/conversations?limit=ten", ``, key, 400, []string{`"code":"VALIDATION_ERROR"`}},
	{"a bad offset", "GET", "/api/conversations?offset=-1", ``, key, 400, []string{`"code":"VALIDATION_ERROR"`}},
	{"a wrong method", "PUT", "/api/chat/stream", restBody, key, 405, []string{`"code":"METHOD_NOT_ALLOWED"`}},
	{"an unknown path", "GET", "/api/nothing", ``, key, 404, []string{`"code":"NOT_FOUND"`, `"success":false`, `"status":false`, `"message":"`}},

	{"no upgrade", "GET", "/chat", ``, "", 400, []string{`"status":false`, `"reason":"websocket: `}},
	{"no upgrade", "GET", "/api/chat/", ``, "", 400, []string{`"status":false`}},
	{"nobody", "GET", "/conversation/list", ``, "", 200, []string{`"status":false`, `user not found`}},
	{"an unknown sk- key", "GET", "/conversation/list", ``, "sk-wrong", 401, []string{`"code":401`, `"message":"`}},
	{"another wrong token", "GET", "/api/conversation/list", ``, "wrong", 200, []string{`"status":false`, `user not found`}},
	{"an unknown conversation", "GET", "/conversation/load?id=99", ``, key, 200, []string{`"status":false`, `conversation not found`}},
	{"a bad id", "GET", "/conversation/load?id=x", ``, key, 200, []string{`"status":false`, `invalid id`}},
	{"no id", "GET", "/conversation/delete/", ``, key, 200, []string{`"status":false`, `invalid id`}},

	{"no upgrade", "GET", "/ws/v1/chat?app_token=" + key, ``, "", 426, []string{`"success":false`}},
	{"no token", "GET", "/ws/v1/chat", ``, "", 401, []string{`"code":"UNAUTHORIZED"`}},
	{"a wrong token", "GET", "/ws/v1/chat?app_token=wrong", ``, "", 401, []string{`"code":"INVALID_TOKEN"`}},
}

func TestBadRequestsGetTheDocumentedAnswer(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai")+"iagent: {}\n")
	for _, b := range bad {
		t.Run(b.method+" "+b.path+" "+b.name, func(t *testing.T) {
			t.Parallel()
			headers := []string{"Content-Type", "application/json", "Anthropic-Version", ""}
			if b.token != "" {
				headers = append(headers, "Authorization", "Bearer "+b.token)
			}
			status, head, body := w.Do(t, b.method, b.path, b.body, headers...)
			if status != b.status {
				t.Errorf("%d %.300s, want %d", status, body, b.status)
			}
			for _, want := range b.want {
				if !strings.Contains(body, want) {
					t.Errorf("%d %.300s lacks %s", status, body, want)
				}
			}
			if !json.Valid([]byte(body)) {
				t.Errorf("no JSON: %.300s", body)
			}
			if status == 405 && head.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if status == 426 && head.Get("Upgrade") != "websocket" {
				t.Error("426 without Upgrade")
			}
			if status == 401 && strings.HasPrefix(b.path, "/api/chat") && head.Get("WWW-Authenticate") != "Bearer" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
}

func TestAWrongMediaTypeIsRefused(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	for path, body := range map[string]string{"/v1/chat/completions": chatBody, "/v1/messages": messageBody, "/api/chat": restBody} {
		if status, _, got := w.Do(t, "POST", path, body, "Content-Type", "text/plain", "Authorization", "Bearer "+key); status != 415 {
			t.Errorf("%s: %d %s", path, status, got)
		}
	}
}

func TestASocketIsRefusedBeforeItsUpgrade(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	if resp := w.Refused(t, "/ws/v1/chat?app_token=wrong"); resp.StatusCode != 401 {
		t.Errorf("iagent, wrong token: %d", resp.StatusCode)
	}
	if resp := w.Refused(t, "/chat", "Authorization", "Bearer sk-wrong"); resp.StatusCode != 401 {
		t.Errorf("chatnio, an unknown key in the header: %d", resp.StatusCode)
	}
	_ = w.Socket(t, "/ws/v1/chat?app_token=Bearer%20"+key).Close()
	_ = w.Socket(t, "/api/chat/").Close()
}

// good is a question on the iagent socket, by its msg_id.
func good(id string) string {
	return fmt.Sprintf(`{"chat_type":1,"msg_id":%q,"timestamp":1767225600000,"sender_type":1,"sender_id":"u","receiver_id":"echo","content_type":1,"content":"hi"}`, id)
}

func TestIllegalIAgentMessagesGetA40AndTheConnectionStays(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
	defer func() { _ = ws.Close() }()
	for i, change := range []struct{ from, to, ref string }{
		{good("m"), `{"msg_id"`, ``},
		{good("m"), `[]`, ``},
		{good("m"), `"x"`, ``},
		{good("m"), ``, ``},
		{`"msg_id":"m"`, `"msg_id":""`, ``},
		{`"msg_id":"m"`, `"msg_id":7`, ``},
		{`"msg_id":"m"`, `"msg_id":"` + strings.Repeat("m", 129) + `"`, ``},
		{`"chat_type":1`, `"chat_type":3`, `m`},
		{`"chat_type":1`, `"chat_type":2`, `m`},
		{`"sender_type":1`, `"sender_type":2`, `m`},
		{`"sender_id":"u"`, `"sender_id":""`, `m`},
		{`"timestamp":1767225600000`, `"timestamp":0`, `m`},
		{`"timestamp":1767225600000`, `"timestamp":"soon"`, `m`},
		{`"content_type":1`, `"content_type":5`, `m`},
		{`"content":"hi"`, `"content":""`, `m`},
		{`"content":"hi"`, `"content":{}`, `m`},
		{`"content_type":1,"content":"hi"`, `"content_type":2,"content":"hi"`, `m`},
		{`"content_type":1,"content":"hi"`, `"content_type":2,"content":"{\"file_ids\":[]}"`, `m`},
	} {
		frame := strings.Replace(good("m"), change.from, change.to, 1)
		if frame == good("m") {
			t.Fatalf("row %d changes nothing", i)
		}
		var got map[string]any
		answer := exchange(t, ws, frame)
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatal(err)
		}
		ref, _ := got["ref_msg_id"].(string)
		if got["resp_code"] != 40.0 || got["content_type"] != 1.0 || got["content"] == "" || got["sender_type"] != 2.0 || ref != change.ref {
			t.Errorf("to %s: %s", frame, answer)
		}
		if answer := exchange(t, ws, good(fmt.Sprint("ok", i))); !strings.Contains(answer, `"resp_code":0`) {
			t.Fatalf("a good one after %s: %s", frame, answer)
		}
	}
	if answer := exchange(t, ws, strings.Replace(good("pic"), `"content_type":1,"content":"hi"`, `"content_type":2,"content":"{\"file_ids\":[\"1\"]}"`, 1)); !strings.Contains(answer, `"resp_code":50`) || !strings.Contains(answer, "MODEL_ERROR: ") {
		t.Errorf("an image for a channel that knows none: %s", answer)
	}
}

func TestTheIAgentSocketClosesWithTheDocumentedCode(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	for name, c := range map[string]struct {
		send func(*websocket.Conn) error
		code int
	}{
		"binary":        {func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.BinaryMessage, []byte(good("m"))) }, 1003},
		"invalid UTF-8": {func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.TextMessage, []byte("\xff\xfe")) }, 1007},
		"too large":     {func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.TextMessage, []byte(large)) }, 1009},
		"21 illegal ones": {func(ws *websocket.Conn) error {
			for range 21 {
				if err := ws.WriteMessage(websocket.TextMessage, []byte("{}")); err != nil {
					return err
				}
			}
			return nil
		}, 1008},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws := w.Socket(t, "/ws/v1/chat?app_token="+key)
			defer func() { _ = ws.Close() }()
			if err := c.send(ws); err != nil && name != "too large" {
				t.Fatal(err)
			}
			closesWith(t, ws, c.code)
		})
	}
}

// closesWith reads up to the close frame.
func closesWith(t *testing.T, ws *websocket.Conn, code int) {
	t.Helper()
	for {
		_, _, err := ws.ReadMessage()
		if err == nil {
			continue
		}
		if !websocket.IsCloseError(err, code) {
			t.Errorf("closed with %v, want %d", err, code)
		}
		return
	}
}

// On the chatnio socket everything that can be answered is, with one error turn,
// and the connection stays (docs/rules/chatnio.md 8).
func TestOddChatnioFramesLeaveTheConnectionServing(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	for name, frame := range map[string]struct{ frame, want string }{
		"no JSON":                 {`{"type"`, "end VALIDATION_ERROR"},
		"a list":                  {`[]`, "end VALIDATION_ERROR"},
		"a message that is none":  {`{"type":"chat","model":"echo","message":7}`, "end VALIDATION_ERROR"},
		"an empty message":        {`{"type":"chat","model":"echo","message":""}`, "end VALIDATION_ERROR"},
		"web as a string":         {`{"type":"chat","model":"echo","message":"hi","web":"false"}`, fmt.Sprintf("%q", hello)},
		"a context as a string":   {`{"type":"chat","model":"echo","message":"hi","context":"8"}`, fmt.Sprintf("%q", hello)},
		"unknown fields":          {`{"type":"chat","model":"echo","message":"hi","think":true,"mcp":[]}`, fmt.Sprintf("%q", hello)},
		"no type":                 {`{"model":"echo","message":"hi"}`, fmt.Sprintf("%q", hello)},
		"an unknown model":        {`{"type":"chat","model":"nope","message":"hi"}`, "end the price of the model is not set"},
		"an unknown type":         {`{"type":"dance","message":"hi"}`, ""},
		"a ping":                  {`{"type":"ping"}`, ""},
		"a bad edit":              {`{"type":"edit","message":"x"}`, ""},
		"a bad remove":            {`{"type":"remove","message":"x"}`, ""},
		"a bad mask":              {`{"type":"mask","message":"x"}`, ""},
		"a share of nothing":      {`{"type":"share","message":"x"}`, ""},
		"a stop without a turn":   {`{"type":"stop"}`, ""},
		"an edit out of range":    {`{"type":"edit","message":"7:x"}`, ""},
		"a remove out of range":   {`{"type":"remove","message":"-1"}`, ""},
		"another sign-in frame":   {`{"token":"x","id":-1}`, "end VALIDATION_ERROR"},
		"a wrongly typed penalty": {`{"type":"chat","model":"echo","message":"hi","presence_penalty":{}}`, "end VALIDATION_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := world.NewChatnio(w, key, 0)
			defer c.Close(t)
			c.Send(t, json.RawMessage(`{"type":"ping"}`)) // opens and signs in
			c.SendText(t, frame.frame)
			if frame.want != "" {
				if r := c.Read().All(t); r.Outcome() != frame.want {
					t.Errorf("got %s, want %s", r.Outcome(), frame.want)
				}
			}
			if r := world.Put(t, c, world.Ask{Model: "say", Text: "still here"}); !r.Ended || r.Text != "still here" {
				t.Errorf("after it: %s", r.Outcome())
			}
		})
	}
}

// What the first frame says is taken loosely (docs/rules/chatnio.md 8.2,
// docs/rules/conversations.md 10); what cannot be read is anonymous.
func TestTheFirstChatnioFrameIsReadLoosely(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	chat := `{"type":"chat","model":"echo","message":"hi"}`
	for name, c := range map[string]struct {
		path   string
		frames []string
		signed bool
	}{
		"the id as a string":     {"/chat", []string{`{"token":"` + key + `","id":"-1"}`, chat}, true},
		"the id as a float":      {"/api/chat", []string{`{"token":"` + key + `","id":-1.0}`, chat}, true},
		"no id":                  {"/chat", []string{`{"token":"` + key + `"}`, chat}, true},
		"Bearer":                 {"/chat", []string{`{"token":"Bearer ` + key + `","id":-1}`, chat}, true},
		"nested JSON":            {"/chat", []string{`{"token":"{\"token\":\"` + key + `\",\"id\":-1}"}`, chat}, true},
		"the token in the query": {"/chat?token=" + key, []string{chat}, true},
		"no token":               {"/chat", []string{`{"id":-1}`, chat}, false},
		"null":                   {"/chat", []string{`{"token":null,"id":-1}`, chat}, false},
		"anonymous":              {"/chat", []string{`{"token":"anonymous","id":-1}`, chat}, false},
		"a wrong key":            {"/chat", []string{`{"token":"sk-wrong","id":-1}`, chat}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ws := w.Socket(t, c.path)
			defer func() { _ = ws.Close() }()
			for _, frame := range c.frames {
				if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
					t.Fatal(err)
				}
			}
			var text string
			for number := int64(0); ; {
				var f struct {
					Conversation int64
					Message      string
					End          bool
				}
				if err := ws.ReadJSON(&f); err != nil {
					t.Fatal(err)
				}
				if number == 0 {
					if number = f.Conversation; (number > 0) != c.signed {
						t.Errorf("conversation %d", number)
					}
				}
				if text += f.Message; f.End {
					break
				}
			}
			want := hello
			if !c.signed {
				want = "not authenticated error (model: echo)"
			}
			if text != want {
				t.Errorf("got %q, want %q", text, want)
			}
		})
	}
}

func TestBrokenChatnioSocketsCloseWithTheRightCode(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	for name, c := range map[string]struct {
		msg  string
		code int
	}{"invalid UTF-8": {"\xff\xfe", 1007}, "too large": {large, 1009}} {
		ws := w.Socket(t, "/chat")
		_ = ws.SetWriteDeadline(time.Now().Add(world.Limit))
		_ = ws.WriteMessage(websocket.TextMessage, []byte(c.msg))
		t.Log(name)
		closesWith(t, ws, c.code)
		_ = ws.Close()
	}
}
