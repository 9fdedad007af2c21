package world

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// IAgent is a client of the iagent front: one connection for many users. It
// checks docs/rules/iagent.md 2 to 5.
type IAgent struct {
	w    *World
	key  string
	ws   *websocket.Conn
	sent map[string]iagentAsk // not answered yet
	got  map[string]*Reply    // answered, not fetched yet
	ids  map[string]bool      // msg_ids of replies
	At   map[string]int       // place in which each question was answered
}

type iagentAsk struct{ user, group, receiver string }

// NewIAgent returns a client with key.
func NewIAgent(w *World, key string) *IAgent { return &IAgent{w: w, key: key} }

// Front implements [Client].
func (*IAgent) Front() string { return "iagent" }

// Streams implements [Client].
func (*IAgent) Streams() bool { return false }

// Close implements [Client].
func (c *IAgent) Close(t testing.TB) {
	t.Helper()
	if c.ws != nil {
		farewell(t, c.ws)
	}
}

func (c *IAgent) open(t testing.TB) {
	t.Helper()
	if c.ws == nil {
		c.ws = c.w.Socket(t, "/ws/v1/chat?app_token="+url.QueryEscape(c.key))
		c.sent, c.got, c.ids, c.At = map[string]iagentAsk{}, map[string]*Reply{}, map[string]bool{}, map[string]int{}
	}
}

// Send puts a question and returns its msg_id.
func (c *IAgent) Send(t testing.TB, a Ask) string {
	t.Helper()
	c.open(t)
	id := "m-" + strconv.FormatInt(c.w.ids.Add(1), 10) // unique for the token
	m := map[string]any{"chat_type": 1, "msg_id": id, "timestamp": time.Now().UnixMilli(), "sender_type": 1, "sender_id": userOf(a), "resp_code": 0, "content_type": 1, "content": a.Text}
	if a.Model != "" {
		m["receiver_id"] = a.Model
	}
	if a.Group != "" {
		m["chat_type"], m["group_id"] = 2, a.Group
	}
	c.sent[id] = iagentAsk{userOf(a), a.Group, a.Model}
	if err := c.ws.WriteMessage(websocket.TextMessage, encode(t, m)); err != nil {
		t.Fatal(err)
	}
	return id
}

// Begin implements [Client].
func (c *IAgent) Begin(t testing.TB, a Ask) Turn {
	t.Helper()
	return &iagentTurn{c: c, id: c.Send(t, a), reply: &Reply{}}
}

type iagentTurn struct {
	c     *IAgent
	id    string
	reply *Reply
	over  bool
}

// Next implements [Turn]: an answer comes in one piece, which ends it.
func (u *iagentTurn) Next(t testing.TB) bool {
	t.Helper()
	if !u.over {
		u.reply, u.over = u.c.Wait(t, u.id), true
	}
	return false
}

// Reply implements [Turn].
func (u *iagentTurn) Reply() *Reply { return u.reply }

// Leave implements [Turn].
func (u *iagentTurn) Leave() { _ = u.c.ws.Close(); u.c.ws = nil }

// Wait reads replies until the one to the question id is there.
func (c *IAgent) Wait(t testing.TB, id string) *Reply {
	t.Helper()
	for c.got[id] == nil {
		kind, msg, err := c.ws.ReadMessage()
		if err != nil || kind != websocket.TextMessage {
			t.Errorf("no reply to %s: %d %v", id, kind, err)
			return &Reply{}
		}
		c.take(t, msg)
	}
	r := c.got[id]
	delete(c.got, id)
	return r
}

func (c *IAgent) take(t testing.TB, msg []byte) {
	t.Helper()
	var m struct {
		ChatType    int     `json:"chat_type"`
		ID          string  `json:"msg_id"`
		Ref         string  `json:"ref_msg_id"`
		Timestamp   int64   `json:"timestamp"`
		Group       *string `json:"group_id"`
		SenderType  int     `json:"sender_type"`
		Sender      string  `json:"sender_id"`
		Receiver    string  `json:"receiver_id"`
		Code        *int    `json:"resp_code"`
		ContentType int     `json:"content_type"`
		Content     *string `json:"content"`
	}
	if !read(t, msg, &m) {
		return
	}
	ask, ok := c.sent[m.Ref]
	if !ok {
		t.Errorf("a reply to nothing, or a second one: %s", msg)
		return
	}
	delete(c.sent, m.Ref)
	c.At[m.Ref] = len(c.At)
	kind, agent := 1, ask.receiver
	if ask.group != "" {
		kind = 2
	}
	if agent == "" {
		agent = c.w.Conf.IAgent.Name
	}
	switch {
	case m.ID == "" || c.ids[m.ID]:
		t.Errorf("a reply without a new msg_id: %s", msg)
	case m.ChatType != kind || (m.Group != nil) != (kind == 2) || m.Group != nil && *m.Group != ask.group:
		t.Errorf("a reply in another chat than %+v: %s", ask, msg)
	case m.SenderType != 2 || m.Sender != agent || m.Receiver != ask.user:
		t.Errorf("a reply from or to somebody else than %+v: %s", ask, msg)
	case m.Code == nil || m.Content == nil || m.ContentType != 1 || time.Since(time.UnixMilli(m.Timestamp)).Abs() > time.Hour:
		t.Errorf("a reply lacks resp_code, content, its type or the time: %s", msg)
	}
	c.ids[m.ID] = true
	r := &Reply{ID: m.ID}
	c.got[m.Ref] = r
	if m.Code == nil || m.Content == nil {
		return
	}
	switch r.Status = *m.Code; {
	case r.Status == 0 && *m.Content != "":
		r.Text, r.Ended = *m.Content, true
	case r.Status == 10 && *m.Content == "":
		r.Ended = true
	case r.Status == 40 && *m.Content != "":
		r.Failed, r.Message = true, *m.Content
	case r.Status == 50 && strings.Contains(*m.Content, ": "):
		r.readText(*m.Content)
	default:
		t.Errorf("resp_code and content do not fit: %s", msg)
	}
}
