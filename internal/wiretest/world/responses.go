package world

import (
	"strings"
	"testing"
)

// Responses is a client of the responses front that has nothing stored and sends again what
// was said.
type Responses struct {
	w    *World
	key  string
	l    *line
	said []said
}

// Front implements [Client].
func (*Responses) Front() string { return "responses" }

// Streams implements [Client].
func (*Responses) Streams() bool { return true }

// Close implements [Client].
func (c *Responses) Close(testing.TB) {
	if c.l != nil {
		c.l.close()
	}
}

// Begin implements [Client].
func (c *Responses) Begin(t testing.TB, a Ask) Turn {
	t.Helper()
	if c.l == nil {
		c.l = &line{w: c.w}
	}
	c.said = append(c.said, said{"user", a.Text})
	body := map[string]any{"model": a.Model, "input": c.said, "store": false}
	if a.System != "" {
		body["instructions"] = a.System
	}
	if a.Stream {
		body["stream"] = true
	}
	c.l.send(t, "POST", "/v1/responses", encode(t, body), "Content-Type", "application/json", "Authorization", bearer(c.key))
	return &httpTurn{l: c.l, stream: a.Stream, grammar: &responsesGrammar{c: c}}
}

type responsesGrammar struct {
	c      *Responses
	id     string
	next   int64  // number of the next event
	after  string // the type of the last event
	item   string // id of the open message
	items  int    // of the output that have begun
	pieces string // of the open message
}

type responsesUsage struct {
	Input  int64 `json:"input_tokens"`
	Output int64 `json:"output_tokens"`
	Total  int64 `json:"total_tokens"`
}

type responsesItem struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Role    string `json:"role"`
	Content []struct {
		Type string  `json:"type"`
		Text *string `json:"text"`
	} `json:"content"`
}

type responsesObject struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created_at"`
	Status  string          `json:"status"`
	Model   string          `json:"model"`
	Output  []responsesItem `json:"output"`
	Tools   []any           `json:"tools"`
	Usage   *responsesUsage `json:"usage"`
	Error   *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Incomplete *struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
}

// to checks o, an answer that has ended.
func (o *responsesObject) to(t testing.TB, r *Reply) {
	t.Helper()
	if o.ID == "" || o.Object != "response" || o.Created == 0 || o.Model == "" || o.Output == nil || o.Tools == nil || o.Error != nil {
		t.Errorf("not a response: %+v", *o)
	}
	if (o.Status == "incomplete") != (o.Incomplete != nil) || o.Status != "incomplete" && o.Status != "completed" {
		t.Errorf("status %q, and incomplete_details %v", o.Status, o.Incomplete)
	}
	text := ""
	for i := range o.Output {
		it := &o.Output[i]
		if it.Type != "message" {
			continue
		}
		if it.Role != "assistant" || it.Status == "in_progress" || !strings.HasPrefix(it.ID, "msg_") {
			t.Errorf("not a message: %+v", *it)
		}
		for _, p := range it.Content {
			text += *p.Text
		}
	}
	r.Ended, r.Model, r.Text = true, o.Model, text
	if u := o.Usage; u != nil {
		if u.Total != u.Input+u.Output {
			t.Errorf("the total is not the sum: %+v", *u)
		}
		r.Usage = Usage{Known: true, Input: u.Input, Output: u.Output}
	}
}

func (g *responsesGrammar) whole(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o responsesObject
	if read(t, body, &o) {
		o.to(t, r)
	}
}

func (g *responsesGrammar) refused(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o openaiObject
	if read(t, body, &o) && o.Error == nil {
		t.Errorf("a refusal without an error object: %s", body)
	} else if o.Error != nil {
		o.Error.to(t, r)
	}
}

type responsesEvent struct {
	Type     string           `json:"type"`
	Sequence int64            `json:"sequence_number"`
	Response *responsesObject `json:"response"`
	Item     *responsesItem   `json:"item"`
	ItemID   string           `json:"item_id"`
	Index    int              `json:"output_index"`
	Delta    string           `json:"delta"`
	Text     string           `json:"text"`
}

// behind says which events may come before an event about a message.
var behind = map[string]string{
	"response.in_progress":        "response.created",
	"response.content_part.added": "response.output_item.added",
	"response.output_text.done":   "response.output_text.delta",
	"response.content_part.done":  "response.output_text.done",
	"response.failed":             "error",
}

func (g *responsesGrammar) event(t testing.TB, r *Reply, ev event) bool {
	t.Helper()
	var e responsesEvent
	if !read(t, []byte(ev.data), &e) {
		return false
	}
	if e.Type != ev.name {
		t.Errorf("an event named %q of type %q", ev.name, e.Type)
	}
	if e.Sequence != g.next {
		t.Errorf("event %d is number %d: %s", g.next, e.Sequence, ev.data)
	}
	if g.next++; r.Ended || r.Failed && ev.name != "response.failed" {
		t.Errorf("after the end: %s", ev.data)
	}
	if before := behind[ev.name]; before != "" && before != g.after {
		t.Errorf("%q after %q", ev.name, g.after)
	}
	if (g.after == "") != (ev.name == "response.created") {
		t.Errorf("%q after %q", ev.name, g.after)
	}
	g.after = ev.name
	switch ev.name {
	case "error":
		g.refused(t, r, []byte(ev.data))
	case "response.created":
		if e.Response == nil || e.Response.ID == "" || e.Response.Status != "in_progress" {
			t.Errorf("not a beginning: %s", ev.data)
			return false
		}
		g.id, r.Model = e.Response.ID, e.Response.Model
	case "response.failed":
		if e.Response == nil || e.Response.ID != g.id || e.Response.Status != "failed" || e.Response.Error == nil || e.Response.Error.Message != r.Message {
			t.Errorf("not a failure: %s", ev.data)
		}
	case "response.completed", "response.incomplete":
		said := r.Text
		if e.Response == nil || e.Response.ID != g.id || "response."+e.Response.Status != ev.name || g.item != "" {
			t.Errorf("not an end: %s", ev.data)
			return false
		}
		if e.Response.to(t, r); r.Text != said || len(e.Response.Output) != g.items {
			t.Errorf("the end says %q of %d items, the pieces were %q of %d", r.Text, len(e.Response.Output), said, g.items)
		}
	default:
		return g.about(t, r, &e)
	}
	return false
}

// about takes an event about an item.
func (g *responsesGrammar) about(t testing.TB, r *Reply, e *responsesEvent) bool {
	t.Helper()
	switch e.Type {
	case "response.output_item.added":
		if e.Index != g.items || e.Item == nil {
			t.Errorf("not item %d: %+v", g.items, *e)
			return false
		}
		if g.items++; e.Item.Type == "message" {
			g.item, g.pieces = e.Item.ID, ""
		}
	case "response.output_item.done":
		if e.Item != nil && e.Item.Type == "message" {
			if e.Item.ID != g.item {
				t.Errorf("not the end of %q: %+v", g.item, *e.Item)
			}
			g.item = ""
		}
	case "response.output_text.delta":
		if g.pieces += e.Delta; e.ItemID != g.item || e.Index != g.items-1 {
			t.Errorf("not of item %q: %+v", g.item, *e)
		}
		return r.piece(t, e.Delta)
	case "response.output_text.done":
		if e.Text != g.pieces {
			t.Errorf("the text is %q, its pieces were %q", e.Text, g.pieces)
		}
	}
	return false
}

func (g *responsesGrammar) answered(_ testing.TB, r *Reply) {
	if r.Ended {
		g.c.said = append(g.c.said, said{"assistant", r.Text})
	} else {
		g.c.said = g.c.said[:len(g.c.said)-1]
	}
}
