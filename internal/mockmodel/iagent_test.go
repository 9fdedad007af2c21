package mockmodel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"
)

func agentMessage(id, user, model, text string) string {
	return fmt.Sprintf(`{"chat_type":1,"msg_id":%q,"timestamp":1767225600000,"sender_type":1,"sender_id":%q,"receiver_id":%q,"resp_code":0,"content_type":1,"content":%q}`, id, user, model, text)
}

type agentReply struct {
	ChatType    int    `json:"chat_type"`
	MsgID       string `json:"msg_id"`
	Ref         string `json:"ref_msg_id"`
	Timestamp   int64  `json:"timestamp"`
	GroupID     string `json:"group_id"`
	SenderType  int    `json:"sender_type"`
	SenderID    string `json:"sender_id"`
	ReceiverID  string `json:"receiver_id"`
	Code        int    `json:"resp_code"`
	ContentType int    `json:"content_type"`
	Content     string `json:"content"`
}

func (c ws) reply() (r agentReply) {
	c.t.Helper()
	s := c.hear()
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		c.t.Fatalf("%v in %q", err, s)
	}
	return r
}

const agentPath = "/ws/v1/chat?app_token=tok"

func TestIagentRepliesToTheAsker(t *testing.T) {
	t.Parallel()
	c := start(t, Options{}).dial(agentPath)
	c.say(`{"chat_type":2,"msg_id":"m-1","timestamp":1767225600000,"group_id":"g9","sender_type":1,"sender_id":"u7","receiver_id":"agent-1","resp_code":0,"content_type":1,"content":"hello"}`)
	r := c.reply()
	if r.MsgID == "" || r.Timestamp < 1767225600000 {
		t.Errorf("got %+v", r)
	}
	r.MsgID, r.Timestamp = "", 0
	if want := (agentReply{ChatType: 2, Ref: "m-1", GroupID: "g9", SenderType: 2, SenderID: "agent-1", ReceiverID: "u7", ContentType: 1,
		Content: `Hello, you said "hello" (n=1)`}); r != want {
		t.Errorf("got %+v", r)
	}
}

func TestIagentRemembersEachSenderAndGroup(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	a, b := r.dial(agentPath), r.dial(agentPath)
	for i, test := range []struct {
		c          ws
		user, want string
	}{
		{a, "u1", "user: q0"},
		{b, "u1", "user: q0 | assistant: user: q0 | user: q1"},
		{a, "u2", "user: q2"},
	} {
		test.c.say(agentMessage(fmt.Sprint("m", i), test.user, "recall", fmt.Sprint("q", i)))
		if got := test.c.reply().Content; got != test.want {
			t.Errorf("message %d: %q, want %q", i, got, test.want)
		}
	}
}

func TestIagentAnswersOneConversationInOrderAndOthersMeanwhile(t *testing.T) {
	t.Parallel()
	c := start(t, Options{}).dial(agentPath)
	c.say(agentMessage("slow", "u1", "say-first-100", "a"), agentMessage("behind", "u1", "say-first-100", "b"), agentMessage("other", "u2", "say", "c"))
	var got []string
	for range 3 {
		got = append(got, c.reply().Ref)
	}
	if strings.Join(got, " ") != "other slow behind" {
		t.Errorf("got %q", got)
	}
}

func TestIagentFaultsHaveTheirCodes(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, test := range []struct {
		model   string
		code    int
		content string
	}{
		{"silent", 10, ""},
		{"fail-400", 40, "the scripted model fails as its name asks: status 400"},
		{"fail-429-retry-3", 50, "RATE_LIMITED: retry after 3s"},
		{"fail-503", 50, "CHANNEL_UNAVAILABLE: the scripted model fails as its name asks: status 503"},
		{"error200", 50, "MODEL_ERROR: the scripted model broke, as its name asks"},
		{"errormid", 50, "MODEL_ERROR: the scripted model broke, as its name asks"},
		{"empty", 0, ""},
	} {
		c := r.dial(agentPath)
		c.say(agentMessage("m", "u", test.model, "hi"))
		if got := c.reply(); got.Code != test.code || got.Content != test.content || got.Ref != "m" {
			t.Errorf("%s: %+v", test.model, got)
		}
	}
	c := r.dial(agentPath)
	c.say(agentMessage("m", "u", "double-say", "hi"))
	if a, b := c.reply(), c.reply(); a.Ref != "m" || b.Ref != "m" || a.Content != b.Content || a.MsgID == b.MsgID {
		t.Errorf("double: %+v and %+v", a, b)
	}
	for model, want := range map[string]int{"drop": 1006, "cut": 1006, "blank": 1000} {
		c := r.dial(agentPath)
		c.say(agentMessage("m", "u", model, "hi"))
		if got, code := c.ends(); len(got) != 0 || code != want {
			t.Errorf("%s: %q, code %d", model, got, code)
		}
	}
	c = r.dial(agentPath)
	c.say(agentMessage("m", "u", "noend-say", "hi"))
	if got, code := c.ends(); len(got) != 1 || !strings.Contains(got[0], `"ref_msg_id":"m"`) || !strings.Contains(got[0], `"resp_code":0`) || code != 1000 {
		t.Errorf("noend: %q, code %d", got, code)
	}
	c = r.dial(agentPath)
	c.say(agentMessage("m", "u", "garbagemid", "hi"), agentMessage("n", "u", "echo", "hi"))
	got := c.hear()
	if !strings.Contains(got, `"ref_msg_id":"m"`) || json.Unmarshal([]byte(got), &agentReply{}) == nil {
		t.Errorf("garbagemid: %s", got)
	}
	if after := c.reply(); after.Ref != "n" || after.Code != 0 {
		t.Errorf("after garbagemid: %+v", after)
	}
}

func TestIagentCallsIllegalFramesByTheirFault(t *testing.T) {
	t.Parallel()
	c := start(t, Options{}).dial(agentPath)
	good := agentMessage("m", "u", "echo", "hi")
	for _, frame := range []string{
		"hello", "[]", "{}",
		strings.Replace(good, `"chat_type":1`, `"chat_type":2`, 1),
		strings.Replace(good, `"sender_type":1`, `"sender_type":2`, 1),
		strings.Replace(good, `"sender_id":"u"`, `"sender_id":""`, 1),
		strings.Replace(good, `"content_type":1`, `"content_type":2`, 1),
		strings.Replace(good, `"timestamp":1767225600000,`, ``, 1),
	} {
		c.say(frame)
		if r := c.reply(); r.Code != 40 || r.Content == "" || r.ChatType == 0 || r.SenderID == "" {
			t.Errorf("%s: %+v", frame, r)
		}
	}
	c.say(good)
	if r := c.reply(); r.Code != 0 {
		t.Errorf("afterwards: %+v", r)
	}
}

func TestIagentRefusesBeforeTheUpgrade(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Keys: []string{"tok"}})
	_, resp, err := websocket.DefaultDialer.Dial("ws://"+r.addr+"/ws/v1/chat?app_token=bad", http.Header{})
	if err == nil || resp.StatusCode != 401 {
		t.Errorf("a wrong token: %v", err)
	}
	status, h, got, _ := r.call("GET", agentPath, "")
	if status != 426 || h.Get("Upgrade") != "websocket" || object(t, got)["success"] != false {
		t.Errorf("without an upgrade: %d %s", status, got)
	}
}

func TestAnIagentClientThatLeavesIsCountedForEachAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c := r.dial(agentPath)
	c.say(agentMessage("1", "u1", "hang", "x"), agentMessage("2", "u2", "first-60000", "x"))
	eventually(t, "two answers", func() bool { return r.Active() == 2 })
	c.Close()
	eventually(t, "the server notices", func() bool { return r.Left() == 2 && r.Active() == 0 && r.Conns() == 0 })
}
