package world

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

// Ollama is a client of the ollama front.
type Ollama struct {
	w    *World
	key  string
	l    *line
	said []said
}

// Front implements [Client].
func (*Ollama) Front() string { return "ollama" }

// Streams implements [Client].
func (*Ollama) Streams() bool { return true }

// Close implements [Client].
func (c *Ollama) Close(testing.TB) {
	if c.l != nil {
		c.l.close()
	}
}

// Begin implements [Client].
func (c *Ollama) Begin(t testing.TB, a Ask) Turn {
	t.Helper()
	if c.l == nil {
		c.l = &line{w: c.w}
	}
	c.said = append(c.said, said{"user", a.Text})
	messages := c.said
	if a.System != "" {
		messages = append([]said{{"system", a.System}}, messages...)
	}
	body := map[string]any{"model": a.Model, "messages": messages}
	if !a.Stream {
		body["stream"] = false
	}
	c.l.send(t, "POST", "/ollama/api/chat", encode(t, body), "Content-Type", "application/json", "Authorization", bearer(c.key))
	return &httpTurn{l: c.l, stream: a.Stream, grammar: &ollamaGrammar{c: c}}
}

type ollamaGrammar struct{ c *Ollama }

// ollamaObject is an answer, or a line of one.
type ollamaObject struct {
	Model   string    `json:"model"`
	Created time.Time `json:"created_at"`
	Message *struct {
		Role     string  `json:"role"`
		Content  *string `json:"content"`
		Thinking string  `json:"thinking"`
	} `json:"message"`
	Done   *bool  `json:"done"`
	Reason string `json:"done_reason"`
	Prompt int64  `json:"prompt_eval_count"`
	Eval   int64  `json:"eval_count"`
	Total  int64  `json:"total_duration"`
	ollamaError
}

type ollamaError struct {
	Error   string `json:"error"`
	Code    string `json:"code"`
	Retry   int    `json:"retry_after"`
	Request string `json:"request_id"`
}

func (e *ollamaError) to(t testing.TB, r *Reply) {
	t.Helper()
	r.Failed, r.Code, r.Message = true, e.Code, e.Error
	if e.Error == "" || e.Code == "" || e.Request == "" {
		t.Errorf("not an error: %+v", *e)
	}
	if r.RetryAfter != "" && e.Retry == 0 {
		t.Errorf("to be asked again after %q, of which the body says nothing", r.RetryAfter)
	}
}

func (*ollamaGrammar) contentType() string { return "application/x-ndjson" }

// next reads a line, before which blanks may have said that the stream lives.
func (*ollamaGrammar) next(t testing.TB, r *bufio.Reader) (event, error) {
	t.Helper()
	text, err := r.ReadString('\n')
	if err != nil {
		if strings.TrimLeft(text, " ") != "" {
			t.Errorf("the stream ends within a line: %q", text)
		}
		return event{}, err
	}
	text = strings.TrimLeft(strings.TrimSuffix(text, "\n"), " ")
	if text == "" || text[0] != '{' || text[len(text)-1] != '}' {
		t.Errorf("not a line of objects: %q", text)
	}
	return event{data: text}, nil
}

// head checks what all objects of an answer have, and notes the end.
func (o *ollamaObject) head(t testing.TB, r *Reply) bool {
	t.Helper()
	if r.Model == "" {
		r.Model = o.Model
	}
	if o.Model == "" || o.Model != r.Model || o.Created.IsZero() || o.Done == nil || o.Message == nil || o.Message.Role != "assistant" || o.Message.Content == nil {
		t.Errorf("the head of an object is wrong: %+v after %q", *o, r.Model)
		return false
	}
	if *o.Done != (o.Reason != "") || !*o.Done && (o.Eval != 0 || o.Total != 0) {
		t.Errorf("the end is wrong: %+v", *o)
	}
	return true
}

// end notes the end and the usage, which come together.
func (o *ollamaObject) end(t testing.TB, r *Reply) {
	t.Helper()
	if !*o.Done {
		return
	}
	if o.Total <= 0 {
		t.Errorf("an answer that took no time: %+v", *o)
	}
	r.Ended, r.Usage = true, Usage{Known: true, Input: o.Prompt, Output: o.Eval}
}

func (g *ollamaGrammar) whole(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o ollamaObject
	if !read(t, body, &o) || !o.head(t, r) {
		return
	}
	r.Text = *o.Message.Content
	if o.end(t, r); !r.Ended {
		t.Errorf("no end: %s", body)
	}
}

func (g *ollamaGrammar) refused(t testing.TB, r *Reply, body []byte) {
	t.Helper()
	var o ollamaError
	if read(t, body, &o) {
		o.to(t, r)
	}
}

func (g *ollamaGrammar) event(t testing.TB, r *Reply, ev event) (piece bool) {
	t.Helper()
	if r.Ended || r.Failed {
		t.Errorf("a line after the end: %s", ev.data)
	}
	var o ollamaObject
	if !read(t, []byte(ev.data), &o) {
		return false
	}
	if o.Error != "" {
		o.to(t, r)
		return false
	}
	if !o.head(t, r) {
		return false
	}
	if text := *o.Message.Content; text != "" {
		piece = r.piece(t, text)
	}
	o.end(t, r)
	return piece
}

func (g *ollamaGrammar) answered(_ testing.TB, r *Reply) {
	if r.Ended {
		g.c.said = append(g.c.said, said{"assistant", r.Text})
	} else {
		g.c.said = g.c.said[:len(g.c.said)-1]
	}
}
