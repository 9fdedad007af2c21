package front_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

const agentPath = "/ws/v1/chat?app_token=" + key

// agentWorld has a mock channel, an iagent one, and models that fail.
func agentWorld(t *testing.T, more string) *world.World { return world.Start(t, agentConf(more)) }

func agentConf(more string) string {
	return callers + more + `
presets: {default: {model: recall}, brief: {model: echo, system: "Be brief."}}
channels:
` + channel("up", "mock", "", "recall", "echo", "first-300", "first-1000", "first-60000", "fail-500", "fail-400", "fail-429-retry-7", "empty", "long-20000") +
		channel("slow", "mock", quick, "stall") +
		channel("away", "mock", "", "refuse") +
		channel("crew", "iagent", "", "image", "silent", "echo") +
		channel("text", "openai", "", "image")
}

// sayer is one raw socket.
type sayer struct {
	t  *testing.T
	ws *websocket.Conn
}

func dialAgent(t *testing.T, w *world.World) *sayer {
	t.Helper()
	ws := w.Socket(t, agentPath)
	t.Cleanup(func() { _ = ws.Close() })
	return &sayer{t, ws}
}

func (s *sayer) send(text string) {
	s.t.Helper()
	if err := s.ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// frame is a message to the default agent with some members changed; "-" takes a
// member out.
func frame(id, text string, change ...any) string {
	m := map[string]any{"chat_type": 1, "msg_id": id, "timestamp": 1767225600000, "sender_type": 1, "sender_id": "u7", "resp_code": 0, "content_type": 1, "content": text}
	for i := 0; i+1 < len(change); i += 2 {
		if m[change[i].(string)] = change[i+1]; change[i+1] == "-" {
			delete(m, change[i].(string))
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (s *sayer) next() (map[string]any, string) {
	s.t.Helper()
	_, msg, err := s.ws.ReadMessage()
	if err != nil {
		s.t.Fatalf("no reply: %v", err)
	}
	var m map[string]any
	if err := json.Unmarshal(msg, &m); err != nil {
		s.t.Fatalf("%v in %s", err, msg)
	}
	return m, string(msg)
}

// quiet checks that nothing else has come: a later message is answered next.
func (s *sayer) quiet() {
	s.t.Helper()
	s.send("ping?")
	if m, text := s.next(); m["resp_code"] != 40.0 || m["ref_msg_id"] != nil {
		s.t.Errorf("a frame that nobody waits for: %s", text)
	}
}

// closed reads to the end and returns the close code and the frames before it.
func (s *sayer) closed() (code int, frames []string) {
	s.t.Helper()
	for {
		_, msg, err := s.ws.ReadMessage()
		var end *websocket.CloseError
		if errors.As(err, &end) {
			return end.Code, frames
		}
		if err != nil {
			s.t.Fatal(err)
		}
		frames = append(frames, string(msg))
	}
}

// The handshake (docs/rules/iagent.md 4.1).
func TestAnAgentSocketIsRefusedBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	for path, want := range map[string]string{
		"/ws/v1/chat":                           "401 UNAUTHORIZED",
		"/ws/v1/chat?app_token=":                "401 UNAUTHORIZED",
		"/ws/v1/chat?app_token=sk-unknown":      "401 INVALID_TOKEN",
		"/ws/v1/chat?app_token=Bearer%20sk-unk": "401 INVALID_TOKEN",
	} {
		resp := w.Refused(t, path, "X-Request-Id", "my-id")
		var o struct{ Success, Error, Code any }
		if err := json.NewDecoder(resp.Body).Decode(&o); err != nil || o.Success != false || fmt.Sprint(resp.StatusCode, " ", o.Code) != want {
			t.Errorf("%s: %d %+v, want %s", path, resp.StatusCode, o, want)
		}
		if resp.Header.Get("X-Request-Id") != "my-id" || resp.Header.Get("Www-Authenticate") != "Bearer" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
	status, h, body := w.Do(t, "GET", agentPath, "")
	if status != 426 || h.Get("Upgrade") != "websocket" || !strings.Contains(body, `"UPGRADE_REQUIRED"`) {
		t.Errorf("without an upgrade: %d %v %s", status, h, body)
	}
	status, h, body = w.Do(t, "GET", agentPath, "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "8", "X-Request-Id", "my-id")
	if status != 400 || h.Get("Sec-WebSocket-Version") != "13" || h.Get("X-Request-Id") != "my-id" || !strings.Contains(body, `"VALIDATION_ERROR"`) {
		t.Errorf("an old version: %d %v %s", status, h, body)
	}
}

func TestAnAgentTokenMayHaveASchemeAndTheHandshakeAnId(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	ws := w.Socket(t, "/ws/v1/chat?app_token=bearer%20"+key, "X-Request-Id", "my-id")
	defer ws.Close()
	s := &sayer{t, ws}
	s.send(frame("m1", "hi"))
	if m, text := s.next(); m["resp_code"] != 0.0 {
		t.Errorf("got %s", text)
	}
	c := w.Dial(t)
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Request-Id: my-id\r\n\r\n", agentPath)
	buf := make([]byte, 1024)
	n, _ := c.Read(buf)
	if head := string(buf[:n]); !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, "X-Request-Id: my-id\r\n") {
		t.Errorf("the handshake got %s", head)
	}
	_ = c.Close()
	if strings.Contains(w.Log.String(), "app_token="+key) {
		t.Error("the token is in the log")
	}
}

func TestATokenHasAtMost64AgentSockets(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	var open []*sayer
	for range 64 {
		open = append(open, dialAgent(t, w))
	}
	resp := w.Refused(t, agentPath)
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "1" {
		t.Errorf("the 65th got %d %v", resp.StatusCode, resp.Header)
	}
	if ws := w.Socket(t, "/ws/v1/chat?app_token=sk-bob-caller-key"); ws != nil {
		_ = ws.Close()
	}
	_ = open[0].ws.Close()
	w.Eventually(t, "there is room again", func() bool {
		d := websocket.Dialer{}
		ws, _, err := d.Dial("ws://"+w.Addr+agentPath, nil)
		if err == nil {
			_ = ws.Close()
		}
		return err == nil
	})
}

// Frames and validation (items 2, 3).
func TestAnIllegalMessageIsAnsweredWith40AndNamesTheField(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	s := dialAgent(t, w)
	for i, c := range []struct{ frame, word, ref string }{
		{`{"msg_id":"x"`, "JSON", ""}, {`[]`, "JSON", ""}, {`"ping"`, "JSON", ""}, {`null`, "JSON", ""},
		{frame("-", "hi", "msg_id", "-"), "msg_id", ""}, {frame("", "hi"), "msg_id", ""},
		{frame("x", "hi", "msg_id", 5), "msg_id", ""}, {frame(strings.Repeat("x", 129), "hi"), "msg_id", ""},
		{frame("a", "hi", "chat_type", 3), "chat_type", "a"}, {frame("a", "hi", "chat_type", "-"), "chat_type", "a"},
		{frame("a", "hi", "chat_type", 2), "group_id", "a"}, {frame("a", "hi", "chat_type", 2, "group_id", ""), "group_id", "a"},
		{frame("a", "hi", "sender_type", 2), "sender_type", "a"}, {frame("a", "hi", "sender_id", ""), "sender_id", "a"},
		{frame("a", "hi", "timestamp", 0), "timestamp", "a"}, {frame("a", "hi", "timestamp", "now"), "timestamp", "a"},
		{frame("a", "hi", "content_type", 5), "content_type", "a"}, {frame("a", ""), "content", "a"},
		{frame("a", "hi", "content", map[string]any{"a": 1}), "content", "a"}, {frame("a", "no JSON", "content_type", 2), "file_ids", "a"},
		{frame("a", `{"file_ids":[]}`, "content_type", 4), "file_ids", "a"},
	} {
		s.send(c.frame)
		m, text := s.next()
		ref, _ := m["ref_msg_id"].(string)
		if m["resp_code"] != 40.0 || m["content_type"] != 1.0 || !strings.Contains(m["content"].(string), c.word) || ref != c.ref {
			t.Errorf("%s: got %s", clip(c.frame), text)
		}
		if m["sender_type"] != 2.0 || m["sender_id"] != "agent" || m["msg_id"] == "" || m["chat_type"] == nil || m["timestamp"].(float64) <= 0 {
			t.Errorf("%s: the reply %s", clip(c.frame), text)
		}
		if i%5 == 4 { // so that there are never too many in a row
			s.send(frame(fmt.Sprint("good", i), "hi"))
			if m, text := s.next(); m["resp_code"] != 0.0 {
				t.Errorf("a good message: %s", text)
			}
		}
	}
}

func TestOldAndUnusualMessagesAreTaken(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	s := dialAgent(t, w)
	for i, c := range []string{
		frame("a", "hi", "resp_code", "-"), frame("b", "hi", "resp_code", 50), frame("c", "hi", "ref_msg_id", "", "extra", []int{1}),
		frame("d", "hi", "group_id", "ignored"), frame(strings.Repeat("ü", 128), "hi"), frame("e", "hi", "timestamp", 1.5e12),
		frame("f", "hi", "receiver_id", nil, "ref_msg_id", nil),
	} {
		s.send(c)
		if m, text := s.next(); m["resp_code"] != 0.0 || m["chat_type"] != 1.0 || m["group_id"] != nil {
			t.Errorf("%d: got %s", i, text)
		}
	}
}

func TestTwentyIllegalMessagesInARowAreOneTooFew(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	s := dialAgent(t, w)
	for range 20 {
		s.send("ping")
	}
	s.send(frame("a", "hi"))
	for range 20 {
		if m, text := s.next(); m["resp_code"] != 40.0 {
			t.Errorf("got %s", text)
		}
	}
	if m, text := s.next(); m["resp_code"] != 0.0 {
		t.Errorf("got %s", text)
	}
	s.send(frame("a", "something else")) // an illegal one as well
	for range 20 {
		s.send("ping")
	}
	if code, frames := s.closed(); code != 1008 || len(frames) != 20 {
		t.Errorf("closed with %d after %d frames", code, len(frames))
	}
}

func TestWhatIsNoTextMessageEndsTheConnection(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	for code, send := range map[int]func(ws *websocket.Conn) error{
		1003: func(ws *websocket.Conn) error {
			return ws.WriteMessage(websocket.BinaryMessage, []byte(frame("a", "hi")))
		},
		1007: func(ws *websocket.Conn) error { return ws.WriteMessage(websocket.TextMessage, []byte("\"\xff\"")) },
		1009: func(ws *websocket.Conn) error {
			return ws.WriteMessage(websocket.TextMessage, []byte(frame("a", strings.Repeat("x", 1<<20))))
		},
	} {
		s := dialAgent(t, w)
		_ = send(s.ws) // the server may not read all of it
		if got, _ := s.closed(); got != code {
			t.Errorf("closed with %d, want %d", got, code)
		}
	}
}

// The reply (docs/rules/iagent.md 4.4).
func TestAReplyEchoesTheQuestion(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	s := dialAgent(t, w)
	ids := map[any]bool{}
	for i, c := range []struct {
		change []any
		want   map[string]any
	}{
		{nil, map[string]any{"chat_type": 1.0, "sender_id": "agent", "receiver_id": "u7", "content": "user: hi"}},
		{[]any{"receiver_id", "echo"}, map[string]any{"chat_type": 1.0, "sender_id": "echo", "content": `Hello, you said "hi" (n=1)`}},
		{[]any{"receiver_id", "whoever", "sender_id", "u8"}, map[string]any{"sender_id": "whoever", "receiver_id": "u8", "content": "user: hi"}},
		{[]any{"chat_type", 2, "group_id", "g9"}, map[string]any{"chat_type": 2.0, "group_id": "g9", "receiver_id": "u7"}},
	} {
		id := fmt.Sprint("m", i)
		s.send(frame(id, "hi", c.change...))
		m, text := s.next()
		maps.Copy(c.want, map[string]any{"ref_msg_id": id, "sender_type": 2.0, "resp_code": 0.0, "content_type": 1.0})
		for name, value := range c.want {
			if m[name] != value {
				t.Errorf("%s is %v, want %v in %s", name, m[name], value, text)
			}
		}
		if at := time.UnixMilli(int64(m["timestamp"].(float64))); ids[m["msg_id"]] || m["msg_id"] == id || time.Since(at).Abs() > time.Hour {
			t.Errorf("an old msg_id or time: %s", text)
		}
		if _, ok := m["group_id"]; ok && m["chat_type"] == 1.0 {
			t.Errorf("a private reply with a group: %s", text)
		}
		ids[m["msg_id"]] = true
	}
	s.quiet()
}

// Duplicates (docs/rules/iagent.md 4.6).
func TestARepeatedMessageIsAnsweredOnceOrAlike(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world.Alone(t, agentConf(""))
		s := dialAgent(t, w)
		asked := frame("m1", "hi", "receiver_id", "first-300")
		s.send(asked)
		s.send(asked)
		_, first := s.next()
		s.quiet()
		s.send(asked)
		if _, again := s.next(); again != first {
			t.Errorf("first %s\nthen %s", first, again)
		}
		other := dialAgent(t, w)
		other.send(asked)
		if _, again := other.next(); again != first {
			t.Errorf("on another connection %s", again)
		}
		other.send(frame("m1", "something else"))
		if m, text := other.next(); m["resp_code"] != 40.0 || m["ref_msg_id"] != "m1" {
			t.Errorf("another body: %s", text)
		}
		if n := strings.Count(w.Log.String(), "msg=exchange"); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
}

func TestTheAnswerGoesToTheNewestConnectionThatAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world.Alone(t, agentConf(""))
		a, b := dialAgent(t, w), dialAgent(t, w)
		asked := frame("m1", "hi", "receiver_id", "first-1000")
		a.send(asked)
		a.send(frame("m0", "hi", "sender_id", "another"))
		a.next() // so that the first one has been read
		b.send(asked)
		if m, text := b.next(); m["ref_msg_id"] != "m1" || m["resp_code"] != 0.0 {
			t.Errorf("got %s", text)
		}
		a.quiet()
	})
}

// Order (docs/rules/iagent.md 4.7).
func TestAConversationIsInOrderAndOthersAreNotHeldUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world.Alone(t, agentConf(""))
		s := dialAgent(t, w)
		s.send(frame("never", "hi", "sender_id", "u9", "receiver_id", "first-60000"))
		s.send(frame("slow", "one", "receiver_id", "first-300"))
		s.send(frame("after", "two", "receiver_id", "first-300"))
		for i := range 50 {
			s.send(frame(fmt.Sprint("quick", i), "hi", "sender_id", "u8", "receiver_id", "echo"))
		}
		var got []string
		for range 52 {
			m, _ := s.next()
			got = append(got, m["ref_msg_id"].(string))
		}
		var quicks []string
		for _, id := range got {
			if strings.HasPrefix(id, "quick") {
				quicks = append(quicks, id)
			}
		}
		if !slices.IsSortedFunc(quicks, func(a, b string) int { return len(a)*100 - len(b)*100 + strings.Compare(a, b) }) {
			t.Errorf("one conversation is out of order: %v", quicks)
		}
		if slices.Index(got, "slow") > slices.Index(got, "after") {
			t.Errorf("the order is %v", got)
		}
		w.Shutdown(time.Millisecond) // the one that never ends
	})
}

// Back-pressure (docs/rules/iagent.md 4.8): no more than 256 questions run, the others are not read.
func TestAFullConnectionIsNotReadAnyFurther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world.Alone(t, callers+"presets: {default: {model: first-60000}}\nchannels:\n"+channel("up", "openai", "", "first-60000"))
		s := dialAgent(t, w)
		for i := range 300 {
			s.send(frame(fmt.Sprint("m", i), "hi", "sender_id", fmt.Sprint("u", i)))
		}
		w.Eventually(t, "the connection is full", func() bool { return w.Model.Active() == 256 })
		other := dialAgent(t, w)
		other.send("ping?")
		other.next()
		if n := w.Model.Requests(); n != 256 {
			t.Errorf("%d questions were asked", n)
		}
		w.Shutdown(time.Millisecond)
	})
}

func TestAClientThatLeavesAFullConnectionEndsItsQuestions(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only a ping tells")
	}
	w := world.Start(t, callers+"presets: {default: {model: hang}}\nchannels:\n"+channel("up", "openai", "", "hang"))
	s := dialAgent(t, w)
	for i := range 300 {
		s.send(frame(fmt.Sprint("m", i), "hi", "sender_id", fmt.Sprint("u", i)))
	}
	w.Eventually(t, "the connection is full", func() bool { return w.Model.Active() == 256 })
	_ = s.ws.Close()
	w.Eventually(t, "its questions are ended", func() bool { return w.Model.Active() == 0 })
}

// Failures (docs/rules/iagent.md 4.9).
func TestAFailureIsA50WithCodeAndText(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	s := dialAgent(t, w)
	for model, want := range map[string]string{
		"fail-500":         "MODEL_ERROR: ",
		"fail-400":         "MODEL_ERROR: ",
		"empty":            "MODEL_ERROR: ",
		"fail-429-retry-7": "RATE_LIMITED: every channel of this model is throttled",
		"stall":            "MODEL_ERROR: timeout",
		"refuse":           "CHANNEL_UNAVAILABLE: no channel can take it",
	} {
		s.send(frame("m-"+model, "hi", "receiver_id", model))
		if m, text := s.next(); m["resp_code"] != 50.0 || m["content_type"] != 1.0 || !strings.HasPrefix(m["content"].(string), want) {
			t.Errorf("%s: got %s", model, text)
		}
	}
}

// Group policy and silence (docs/rules/iagent.md 4.10).
func TestThePolicyDecidesWhichGroupMessagesAreAnswered(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string][4]float64{"always": {0, 0, 0, 0}, "addressed": {10, 0, 0, 0}, "never": {10, 10, 10, 10}} {
		w := agentWorld(t, "iagent: {groups: "+policy+", name: helper}\n")
		s := dialAgent(t, w)
		for i, change := range [][]any{
			{"receiver_id", "u9"}, {"receiver_id", "helper"}, {"receiver_id", "brief"}, {"content", "hi @helper"},
		} {
			s.send(frame(fmt.Sprint("m", i), "hi", append(change, "chat_type", 2, "group_id", "g")...))
			m, text := s.next()
			if m["resp_code"] != want[i] || want[i] == 10 && (m["content"] != "" || m["content_type"] != 1.0) {
				t.Errorf("%s, %v: got %s", policy, change, text)
			}
		}
		s.send(frame("private", "hi"))
		if m, text := s.next(); m["resp_code"] != 0.0 {
			t.Errorf("%s: a private message: %s", policy, text)
		}
	}
}

func TestAnAgentThatIsSilentIsPassedOn(t *testing.T) {
	t.Parallel()
	s := dialAgent(t, agentWorld(t, ""))
	s.send(frame("m1", "hi", "receiver_id", "silent"))
	if m, text := s.next(); m["resp_code"] != 10.0 || m["content"] != "" {
		t.Errorf("got %s", text)
	}
}

// Keep-alive (docs/rules/iagent.md 4.11).
func TestAPingIsAnswered(t *testing.T) {
	t.Parallel()
	s := dialAgent(t, agentWorld(t, ""))
	pong := ""
	s.ws.SetPongHandler(func(payload string) error { pong = payload; return nil })
	if err := s.ws.WriteControl(websocket.PingMessage, []byte("beat"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	s.send(frame("m1", "hi"))
	s.next()
	if pong != "beat" {
		t.Errorf("the pong is %q", pong)
	}
}

// Close codes (docs/rules/iagent.md 4.12).
func TestAShutdownAnswersWhatRunsAndSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := world.Alone(t, callers+"channels:\n"+channel("up", "openai", "", "first-60000", "first-1000"))
		s := dialAgent(t, w)
		s.send(frame("m1", "hi", "receiver_id", "first-60000"))
		s.send(frame("m2", "hi", "sender_id", "u8", "receiver_id", "first-1000"))
		w.Eventually(t, "both questions run", func() bool { return w.Model.Active() == 2 })
		w.Shutdown(4 * time.Second)
		code, frames := s.closed()
		if code != 1012 || len(frames) != 2 {
			t.Fatalf("closed with %d after %v", code, frames)
		}
		if !strings.Contains(frames[0], `"ref_msg_id":"m2"`) || !strings.Contains(frames[0], `"resp_code":0`) {
			t.Errorf("what could end came as %s", frames[0])
		}
		if !strings.Contains(frames[1], `"resp_code":50`) || !strings.Contains(frames[1], "CHANNEL_UNAVAILABLE: ") {
			t.Errorf("what could not end came as %s", frames[1])
		}
	})
}

func TestATokenThatExpiresEndsTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		soon := time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339)
		w := world.Alone(t, "callers: {keys: [{name: alice, key: "+key+", expires: "+soon+"}]}\nchannels: [{id: up, kind: mock, models: [echo]}]\n")
		s := dialAgent(t, w)
		s.send(frame("m1", "hi"))
		if m, text := s.next(); m["resp_code"] != 0.0 {
			t.Errorf("got %s", text)
		}
		w.Eventually(t, "the token has expired", func() bool {
			status, _, _ := w.Do(t, "GET", "/api/conversations", "", "Authorization", "Bearer "+key)
			return status == 401
		})
		s.send(frame("m2", "hi"))
		if code, frames := s.closed(); code != 1008 || len(frames) != 0 {
			t.Errorf("closed with %d after %v", code, frames)
		}
	})
}

// Media (docs/rules/iagent.md 4.13 and docs/rules/conversations.md 11).
func TestAMediumGoesToAgentsOnly(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	s := dialAgent(t, w)
	for i, content := range []string{`{"file_ids":["001","002"]}`, `{"file_id":7}`} {
		s.send(frame(fmt.Sprint("in", i), content, "content_type", 2, "receiver_id", "image"))
		if m, text := s.next(); m["resp_code"] != 0.0 || m["content"] != fmt.Sprintf("I see %d images", 2+i) {
			t.Errorf("%s: got %s", content, text)
		}
	}
	s.send(frame("video", `{"file_ids":["001"]}`, "content_type", 4, "receiver_id", "recall"))
	if m, text := s.next(); m["resp_code"] != 50.0 || m["content"] != "MODEL_ERROR: unsupported content_type" {
		t.Errorf("got %s", text)
	}
}

// One conversation for both fronts (docs/rules/conversations.md 11).
func TestRestAndAgentShareThePrivateConversationOfTheDefaultAgent(t *testing.T) {
	t.Parallel()
	w := agentWorld(t, "")
	s := dialAgent(t, w)
	s.send(frame("m1", "apple"))
	s.next()
	_, _, o := restCall(t, w, "POST", "/api/chat", askAs("u7", "pear"))
	if got := o["data"].(map[string]any)["response"]; got != "user: apple | assistant: user: apple | user: pear" {
		t.Errorf("rest got %v", got)
	}
	s.send(frame("m2", "plum", "receiver_id", "agent"))
	if m, text := s.next(); !strings.Contains(m["content"].(string), "user: pear") {
		t.Errorf("the agent got %s", text)
	}
	_, _, o = restCall(t, w, "GET", "/api/conversations?userId=u7", "")
	if o["data"].(map[string]any)["total"] != 1.0 {
		t.Errorf("the list is %v", o)
	}
	// One of another agent is listed under its user and continued by it.
	s.send(frame("m3", "fig", "receiver_id", "recall", "sender_id", "u8"))
	s.next()
	_, _, o = restCall(t, w, "POST", "/api/chat", askAs("u8", "date"))
	if got := o["data"].(map[string]any)["response"]; got != "user: fig | assistant: user: fig | user: date" {
		t.Errorf("rest got %v", got)
	}
}
