package world

import (
	"testing"
)

// OpenAI is a client of the openai front.
type OpenAI struct {
	w    *World
	key  string
	l    *line
	said []said
}

// Front implements [Client].
func (*OpenAI) Front() string { return "openai" }

// Streams implements [Client].
func (*OpenAI) Streams() bool { return true }

// Close implements [Client].
func (c *OpenAI) Close(testing.TB) {
	if c.l != nil {
		c.l.close()
	}
}

// Begin implements [Client].
func (c *OpenAI) Begin(t testing.TB, a Ask) Turn {
	t.Helper()
	if c.l == nil {
		c.l = &line{w: c.w}
	}
	var msgs []said
	if a.System != "" {
		msgs = append(msgs, said{"system", a.System})
	}
	c.said = append(c.said, said{"user", a.Text})
	body := map[string]any{"model": a.Model, "messages": append(msgs, c.said...)}
	if a.Stream {
		body["stream"], body["stream_options"] = true, map[string]any{"include_usage": true}
	}
	c.l.send(t, "POST", "/v1/chat/completions", encode(t, body), "Content-Type", "application/json", "Authorization", bearer(c.key))
	return &httpTurn{l: c.l, stream: a.Stream, grammar: &openaiGrammar{c: c}}
}

func bearer(key string) string {
	if key == "" {
		return ""
	}
	return "Bearer " + key
}

type openaiGrammar struct {
	c       *OpenAI
	id      string
	created int64
	reason  string
	counted bool
}

type openaiUsage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
}

func (u *openaiUsage) to(t testing.TB, r *Reply) {
	t.Helper()
	if u == nil {
		return
	}
	if u.Total != u.Prompt+u.Completion {
		t.Errorf("the total is not the sum: %+v", *u)
	}
	r.Usage = Usage{Known: true, Input: u.Prompt, Output: u.Completion}
}

type openaiObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
	Choices []struct {
		Index   *int `json:"index"`
		Message *struct {
			Role    string  `json:"role"`
			Content *string `json:"content"`
		} `json:"message"`
		Delta *struct {
			Role    string  `json:"role"`
			Content *string `json:"content"`
		} `json:"delta"`
		Reason *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *openaiUsage `json:"usage"`
	Error *openaiError `json:"error"`
}

type openaiError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func (e *openaiError) to(t testing.TB, r *Reply) {
	t.Helper()
	r.Failed, r.Kind, r.Message = true, e.Type, e.Message
	if e.Code != nil {
		r.Code = *e.Code
	}
	if e.Type == "" || e.Message == "" {
		t.Errorf("an error without type or message: %+v", *e)
	}
}

func (g *openaiGrammar) head(t testing.TB, r *Reply, o *openaiObject, object string) {
	t.Helper()
	if g.id == "" {
		g.id, g.created, r.Model = o.ID, o.Created, o.Model
	}
	if o.Object != object || o.ID == "" || o.ID != g.id || o.Created == 0 || o.Created != g.created || o.Model == "" || o.Model != r.Model {
		t.Errorf("the head of an object is wrong: %q %q %d %q after %q %d %q", o.Object, o.ID, o.Created, o.Model, g.id, g.created, r.Model)
	}
}

func (g *openaiGrammar) whole(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o openaiObject
	if !read(t, body, &o) {
		return
	}
	g.head(t, r, &o, "chat.completion")
	if len(o.Choices) != 1 || o.Choices[0].Message == nil || o.Choices[0].Message.Role != "assistant" || o.Choices[0].Reason == nil || o.Usage == nil {
		t.Errorf("not a completion: %s", body)
		return
	}
	if text := o.Choices[0].Message.Content; text != nil {
		r.Text = *text
	}
	r.Ended = true
	o.Usage.to(t, r)
}

func (g *openaiGrammar) refused(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o openaiObject
	if read(t, body, &o) && o.Error == nil {
		t.Errorf("a refusal without an error object: %s", body)
	} else if o.Error != nil {
		o.Error.to(t, r)
	}
}

func (g *openaiGrammar) event(t testing.TB, r *Reply, ev event) bool {
	t.Helper()
	if ev.name != "" {
		t.Errorf("an event with a name: %q", ev.name)
	}
	if r.Ended || r.Failed {
		t.Errorf("after the end: %s", ev.data)
	}
	if ev.data == "[DONE]" {
		if g.reason == "" || !g.counted {
			t.Errorf("[DONE] without a finish_reason (%q), or without usage (%v)", g.reason, g.counted)
		}
		r.Ended = true
		return false
	}
	var o openaiObject
	if !read(t, []byte(ev.data), &o) {
		return false
	}
	if o.Error != nil {
		o.Error.to(t, r)
		return false
	}
	first := g.id == ""
	g.head(t, r, &o, "chat.completion.chunk")
	if len(o.Choices) == 0 {
		if g.reason == "" || g.counted || o.Usage == nil {
			t.Errorf("a usage chunk out of place: %s", ev.data)
		}
		g.counted = true
		o.Usage.to(t, r)
		return false
	}
	c := o.Choices[0]
	if len(o.Choices) != 1 || c.Index == nil || *c.Index != 0 || c.Delta == nil {
		t.Errorf("not a chunk: %s", ev.data)
		return false
	}
	if first != (c.Delta.Role == "assistant") || g.reason != "" {
		t.Errorf("the role is not in the first chunk alone, or a chunk after the last: %s", ev.data)
	}
	if c.Reason != nil {
		g.reason = *c.Reason
	}
	if c.Delta.Content == nil || *c.Delta.Content == "" {
		return false
	}
	return r.piece(t, *c.Delta.Content)
}

func (g *openaiGrammar) answered(_ testing.TB, r *Reply) {
	if r.Ended {
		g.c.said = append(g.c.said, said{"assistant", r.Text})
	} else {
		g.c.said = g.c.said[:len(g.c.said)-1]
	}
}
