package world

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Rest is a client of the rest front. It checks docs/rules/rest.md 2 and 3.
type Rest struct {
	w   *World
	key string
	l   *line
}

// NewRest returns a client with key.
func NewRest(w *World, key string) *Rest { return &Rest{w: w, key: key} }

// Front implements [Client].
func (*Rest) Front() string { return "rest" }

// Streams implements [Client].
func (*Rest) Streams() bool { return true }

// Close implements [Client].
func (c *Rest) Close(testing.TB) {
	if c.l != nil {
		c.l.close()
	}
}

// Begin implements [Client].
func (c *Rest) Begin(t testing.TB, a Ask) Turn {
	t.Helper()
	if c.l == nil {
		c.l = &line{w: c.w}
	}
	body := map[string]any{"message": a.Text, "userId": userOf(a)}
	for name, value := range map[string]string{"preset": a.Model, "groupId": a.Group, "conversationId": a.Conversation} {
		if value != "" {
			body[name] = value
		}
	}
	path := "/api/chat"
	if a.Stream {
		path += "/stream"
	}
	c.l.send(t, "POST", path, encode(t, body), "Content-Type", "application/json", "Authorization", bearer(c.key))
	return &httpTurn{l: c.l, stream: a.Stream, grammar: &restGrammar{}}
}

func userOf(a Ask) string {
	if a.User == "" {
		return "u1"
	}
	return a.User
}

// Call makes one of the calls around the chat and returns the data of its
// envelope.
func (c *Rest) Call(t testing.TB, method, path string) (int, json.RawMessage) {
	t.Helper()
	status, _, body := c.w.Do(t, method, path, "", "Authorization", bearer(c.key))
	var env restEnvelope
	read(t, []byte(body), &env)
	if env.Success == nil || *env.Success != (status == 200) || (status != 200) != (env.Code != "" && env.Error != "") {
		t.Errorf("%s %s: not an envelope for %d: %s", method, path, status, body)
	}
	return status, env.Data
}

type restEnvelope struct {
	Success *bool           `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   string          `json:"error"`
	Code    string          `json:"code"`
}

type restUsage struct {
	Prompt     *int64 `json:"promptTokens"`
	Completion *int64 `json:"completionTokens"`
	Total      *int64 `json:"totalTokens"`
}

func (u *restUsage) to(t testing.TB, r *Reply) {
	t.Helper()
	if u == nil || u.Prompt == nil || u.Completion == nil || u.Total == nil || *u.Total != *u.Prompt+*u.Completion {
		t.Errorf("the usage lacks one of its three counts, or they do not add up: %+v", u)
		return
	}
	r.Usage = Usage{Known: true, Input: *u.Prompt, Output: *u.Completion}
}

type restGrammar struct{ started bool }

func (g *restGrammar) whole(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var env restEnvelope
	var data struct {
		Response     *string    `json:"response"`
		Conversation string     `json:"conversationId"`
		Usage        *restUsage `json:"usage"`
	}
	if !read(t, body, &env) || !read(t, env.Data, &data) {
		return
	}
	if env.Success == nil || !*env.Success || env.Error != "" || data.Response == nil || data.Conversation == "" {
		t.Errorf("not an answer: %s", body)
		return
	}
	r.Text, r.ID, r.Ended = *data.Response, data.Conversation, true
	data.Usage.to(t, r)
}

func (g *restGrammar) refused(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var env restEnvelope
	if !read(t, body, &env) {
		return
	}
	if env.Success == nil || *env.Success || env.Error == "" || env.Code == "" {
		t.Errorf("not an error: %s", body)
	}
	r.Failed, r.Code, r.Message = true, env.Code, env.Error
}

func (g *restGrammar) event(t testing.TB, r *Reply, ev event) bool {
	t.Helper()
	var o struct {
		Type         string     `json:"type"`
		Conversation string     `json:"conversationId"`
		Text         *string    `json:"text"`
		Usage        *restUsage `json:"usage"`
		Error        string     `json:"error"`
		Code         string     `json:"code"`
	}
	if ev.name != "" || !read(t, []byte(ev.data), &o) || bytes.ContainsRune([]byte(ev.data), '\uFEFF') {
		t.Errorf("not an unnamed event of JSON: %+v", ev)
		return false
	}
	if g.started != (o.Type != "start") || r.Ended || r.Failed {
		t.Errorf("start is not the first event, or this comes after the last: %s", ev.data)
	}
	switch o.Type {
	case "start":
		g.started = true
		if r.ID = o.Conversation; r.ID == "" {
			t.Errorf("start without conversationId: %s", ev.data)
		}
	case "content":
		if o.Text == nil {
			t.Errorf("content without text: %s", ev.data)
			return false
		}
		return r.piece(t, *o.Text)
	case "end":
		r.Ended = true
		o.Usage.to(t, r)
	case "error":
		if o.Error == "" || o.Code == "" {
			t.Errorf("an error without error or code: %s", ev.data)
		}
		r.Failed, r.Code, r.Message = true, o.Code, o.Error
	default:
		t.Errorf("an event of type %q", o.Type)
	}
	return false
}

func (g *restGrammar) answered(testing.TB, *Reply) {}
