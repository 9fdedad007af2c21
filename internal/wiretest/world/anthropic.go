package world

import (
	"slices"
	"testing"
)

// Anthropic is a client of the anthropic front.
type Anthropic struct {
	w    *World
	key  string
	l    *line
	said []said
}

// Front implements [Client].
func (*Anthropic) Front() string { return "anthropic" }

// Streams implements [Client].
func (*Anthropic) Streams() bool { return true }

// Close implements [Client].
func (c *Anthropic) Close(testing.TB) {
	if c.l != nil {
		c.l.close()
	}
}

// Begin implements [Client].
func (c *Anthropic) Begin(t testing.TB, a Ask) Turn {
	t.Helper()
	if c.l == nil {
		c.l = &line{w: c.w}
	}
	c.said = append(c.said, said{"user", a.Text})
	body := map[string]any{"model": a.Model, "messages": c.said, "max_tokens": 1000}
	if a.System != "" {
		body["system"] = a.System
	}
	if a.Stream {
		body["stream"] = true
	}
	c.l.send(t, "POST", "/v1/messages", encode(t, body), "Content-Type", "application/json", "X-Api-Key", c.key, "Anthropic-Version", "2023-06-01")
	return &httpTurn{l: c.l, stream: a.Stream, grammar: &anthropicGrammar{c: c, block: -1}}
}

type anthropicGrammar struct {
	c     *Anthropic
	after string // the event before
	block int    // the newest one
}

type anthropicUsage struct {
	Input  *int64 `json:"input_tokens"`
	Output *int64 `json:"output_tokens"`
}

type anthropicObject struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Role    string `json:"role"`
	Model   string `json:"model"`
	Content []struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	} `json:"content"`
	Reason  *string          `json:"stop_reason"`
	Usage   *anthropicUsage  `json:"usage"`
	Message *anthropicObject `json:"message"`
	Index   *int             `json:"index"`
	Delta   *struct {
		Type   string  `json:"type"`
		Text   *string `json:"text"`
		Reason *string `json:"stop_reason"`
	} `json:"delta"`
	Block *struct {
		Type string `json:"type"`
	} `json:"content_block"`
}

type anthropicFailure struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
	RequestID string `json:"request_id"`
}

func (g *anthropicGrammar) whole(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o anthropicObject
	if !read(t, body, &o) {
		return
	}
	if o.Type != "message" || o.Role != "assistant" || o.ID == "" || o.Model == "" || o.Reason == nil || o.Usage == nil || o.Usage.Input == nil || o.Usage.Output == nil {
		t.Errorf("not a message: %s", body)
		return
	}
	for _, b := range o.Content {
		if b.Type == "text" && b.Text != nil {
			r.Text += *b.Text
		}
	}
	r.Ended, r.Model = true, o.Model
	r.Usage = Usage{Known: true, Input: *o.Usage.Input, Output: *o.Usage.Output}
}

func (g *anthropicGrammar) refused(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var f anthropicFailure
	if !read(t, body, &f) {
		return
	}
	if f.Type != "error" || f.Error.Type == "" || f.Error.Message == "" || f.RequestID == "" {
		t.Errorf("not an error object: %s", body)
	}
	r.Failed, r.Kind, r.Message = true, f.Error.Type, f.Error.Message
}

// follows says which events may come before an event.
var follows = map[string][]string{
	"message_start":       {""},
	"content_block_start": {"message_start", "content_block_stop"},
	"content_block_delta": {"content_block_start", "content_block_delta"},
	"content_block_stop":  {"content_block_start", "content_block_delta"},
	"message_delta":       {"message_start", "content_block_stop"},
	"message_stop":        {"message_delta"},
}

func (g *anthropicGrammar) event(t testing.TB, r *Reply, ev event) bool {
	t.Helper()
	if ev.name == "error" {
		if r.Ended || r.Failed {
			t.Errorf("an error after the end: %s", ev.data)
		}
		g.refused(t, r, []byte(ev.data))
		return false
	}
	var o anthropicObject
	if !read(t, []byte(ev.data), &o) {
		return false
	}
	if o.Type != ev.name {
		t.Errorf("an event named %q of type %q", ev.name, o.Type)
	}
	if ev.name == "ping" {
		return false
	}
	if !slices.Contains(follows[ev.name], g.after) || r.Failed {
		t.Errorf("%q after %q", ev.name, g.after)
	}
	g.after = ev.name
	switch ev.name {
	case "message_start":
		if m := o.Message; m == nil || m.Type != "message" || m.Role != "assistant" || m.ID == "" || m.Model == "" || m.Content == nil || len(m.Content) > 0 || m.Reason != nil || m.Usage == nil || m.Usage.Input == nil {
			t.Errorf("not a message_start: %s", ev.data)
		} else {
			r.Model = m.Model
			r.Usage.Input = *m.Usage.Input
		}
	case "content_block_start":
		if g.block++; o.Index == nil || *o.Index != g.block || o.Block == nil {
			t.Errorf("not block %d: %s", g.block, ev.data)
		}
	case "content_block_delta", "content_block_stop":
		if o.Index == nil || *o.Index != g.block {
			t.Errorf("not of block %d: %s", g.block, ev.data)
		}
		if o.Delta != nil && o.Delta.Type == "text_delta" && o.Delta.Text != nil {
			return r.piece(t, *o.Delta.Text)
		}
	case "message_delta":
		if o.Delta == nil || o.Delta.Reason == nil || o.Usage == nil || o.Usage.Output == nil {
			t.Errorf("not a message_delta: %s", ev.data)
			return false
		}
		if o.Usage.Input != nil {
			r.Usage.Input = *o.Usage.Input
		}
		r.Usage.Known, r.Usage.Output = true, *o.Usage.Output
	case "message_stop":
		r.Ended = true
	}
	return false
}

func (g *anthropicGrammar) answered(_ testing.TB, r *Reply) {
	if r.Ended {
		g.c.said = append(g.c.said, said{"assistant", r.Text})
	} else {
		g.c.said = g.c.said[:len(g.c.said)-1]
	}
}
