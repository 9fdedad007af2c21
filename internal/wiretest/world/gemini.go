package world

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// Gemini is a client of the gemini front.
type Gemini struct {
	w    *World
	key  string
	l    *line
	said []geminiTurn
}

// geminiTurn is a turn that a client sends again.
type geminiTurn struct {
	Role  string       `json:"role,omitempty"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text    *string         `json:"text,omitempty"`
	Thought bool            `json:"thought,omitempty"`
	Call    json.RawMessage `json:"functionCall,omitempty"`
}

func geminiSaid(role, text string) geminiTurn {
	return geminiTurn{role, []geminiPart{{Text: &text}}}
}

// Front implements [Client].
func (*Gemini) Front() string { return "gemini" }

// Streams implements [Client].
func (*Gemini) Streams() bool { return true }

// Close implements [Client].
func (c *Gemini) Close(testing.TB) {
	if c.l != nil {
		c.l.close()
	}
}

// Begin implements [Client].
func (c *Gemini) Begin(t testing.TB, a Ask) Turn {
	t.Helper()
	if c.l == nil {
		c.l = &line{w: c.w}
	}
	c.said = append(c.said, geminiSaid("user", a.Text))
	body := map[string]any{"contents": c.said}
	if a.System != "" {
		body["systemInstruction"] = geminiSaid("", a.System)
	}
	target := "/v1beta/models/" + url.PathEscape(a.Model) + ":generateContent"
	if a.Stream {
		target = "/v1beta/models/" + url.PathEscape(a.Model) + ":streamGenerateContent?alt=sse"
	}
	c.l.send(t, "POST", target, encode(t, body), "Content-Type", "application/json", "X-Goog-Api-Key", c.key)
	return &httpTurn{l: c.l, stream: a.Stream, grammar: &geminiGrammar{c: c}}
}

type geminiGrammar struct {
	c  *Gemini
	id string
}

type geminiObject struct {
	Candidates []struct {
		Content *geminiTurn `json:"content"`
		Reason  string      `json:"finishReason"`
		Index   *int        `json:"index"`
	} `json:"candidates"`
	Usage *struct {
		Prompt     *int64 `json:"promptTokenCount"`
		Candidates *int64 `json:"candidatesTokenCount"`
		Thoughts   int64  `json:"thoughtsTokenCount"`
		Total      int64  `json:"totalTokenCount"`
	} `json:"usageMetadata"`
	Model string       `json:"modelVersion"`
	ID    string       `json:"responseId"`
	Error *geminiError `json:"error"`
}

type geminiError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []struct {
		Type    string `json:"@type"`
		Reason  string `json:"reason"`
		Delay   string `json:"retryDelay"`
		Request string `json:"requestId"`
	} `json:"details"`
}

func (e *geminiError) to(t testing.TB, r *Reply) {
	t.Helper()
	r.Failed, r.Kind, r.Message = true, e.Status, e.Message
	asked, delay := false, ""
	for _, d := range e.Details {
		switch strings.TrimPrefix(d.Type, "type.googleapis.com/google.rpc.") {
		case "ErrorInfo":
			r.Code = d.Reason
		case "RetryInfo":
			delay = strings.TrimSuffix(d.Delay, "s")
		case "RequestInfo":
			asked = d.Request != ""
		}
	}
	if e.Code == 0 || e.Status == "" || e.Message == "" || r.Code == "" || !asked {
		t.Errorf("not an error: %+v", *e)
	}
	if r.RetryAfter != "" && delay != r.RetryAfter {
		t.Errorf("to be asked again after %q and %q", r.RetryAfter, delay)
	}
}

// head checks what all objects of an answer have alike.
func (g *geminiGrammar) head(t testing.TB, r *Reply, o *geminiObject) bool {
	t.Helper()
	if g.id == "" {
		g.id, r.Model = o.ID, o.Model
	}
	if o.ID == "" || o.ID != g.id || o.Model == "" || o.Model != r.Model || len(o.Candidates) != 1 {
		t.Errorf("the head of an object is wrong: %+v after %q %q", *o, g.id, r.Model)
		return false
	}
	c := &o.Candidates[0]
	if c.Content == nil || c.Content.Role != "model" || c.Index == nil || *c.Index != 0 {
		t.Errorf("not a candidate: %+v", *c)
		return false
	}
	return true
}

// end notes the reason of the end and the usage, which come together.
func (o *geminiObject) end(t testing.TB, r *Reply) {
	t.Helper()
	u := o.Usage
	if (o.Candidates[0].Reason == "") != (u == nil) {
		t.Errorf("a reason without usage, or usage without a reason: %+v", *o)
	}
	if u == nil {
		return
	}
	if u.Prompt == nil || u.Candidates == nil || u.Total != *u.Prompt+*u.Candidates+u.Thoughts {
		t.Errorf("the usage is wrong: %+v", *u)
		return
	}
	r.Ended, r.Usage = true, Usage{Known: true, Input: *u.Prompt, Output: *u.Candidates + u.Thoughts}
}

func (g *geminiGrammar) whole(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o geminiObject
	if !read(t, body, &o) || !g.head(t, r, &o) {
		return
	}
	for _, p := range o.Candidates[0].Content.Parts {
		if p.Text != nil && !p.Thought {
			r.Text += *p.Text
		}
	}
	if o.end(t, r); !r.Ended {
		t.Errorf("no end: %s", body)
	}
}

func (g *geminiGrammar) refused(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o geminiObject
	if !read(t, body, &o) {
		return
	}
	if o.Error == nil || o.Error.Code != r.Status {
		t.Errorf("a refusal with %d without its error object: %s", r.Status, body)
		return
	}
	o.Error.to(t, r)
}

func (g *geminiGrammar) event(t testing.TB, r *Reply, ev event) (piece bool) {
	t.Helper()
	if ev.name != "" || r.Ended || r.Failed {
		t.Errorf("an event named %q, or after the end: %s", ev.name, ev.data)
	}
	var o geminiObject
	if !read(t, []byte(ev.data), &o) {
		return false
	}
	if o.Error != nil {
		o.Error.to(t, r)
		return false
	}
	if !g.head(t, r, &o) {
		return false
	}
	parts := o.Candidates[0].Content.Parts
	if len(parts) == 0 {
		t.Errorf("an object without a part, which clients do not take: %s", ev.data)
	}
	for _, p := range parts {
		if p.Text != nil && *p.Text != "" && !p.Thought {
			piece = r.piece(t, *p.Text)
		}
	}
	o.end(t, r)
	return piece
}

func (g *geminiGrammar) answered(_ testing.TB, r *Reply) {
	if r.Ended {
		g.c.said = append(g.c.said, geminiSaid("model", r.Text))
	} else {
		g.c.said = g.c.said[:len(g.c.said)-1]
	}
}
