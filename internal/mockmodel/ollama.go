package mockmodel

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// ollamaRequest is a question in Ollama's form, as far as a model looks at it.
type ollamaRequest struct {
	Model    string          `json:"model"`
	Messages []ollamaMessage `json:"messages"`
	Prompt   string          `json:"prompt"`
	System   string          `json:"system"`
	Images   []string        `json:"images"`
	Stream   *bool           `json:"stream"`
	Tools    []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
}

type ollamaMessage struct {
	Role    string   `json:"role"`
	Content string   `json:"content"`
	Images  []string `json:"images"`
}

// ollamaBody reports whether a body is one of Ollama's: rest's has no messages on the same path.
func ollamaBody(body []byte) bool {
	var o struct {
		Messages []json.RawMessage `json:"messages"`
	}
	return json.Unmarshal(body, &o) == nil && o.Messages != nil
}

// ollamaChat serves POST /api/chat, and POST /api/generate where prompt is set.
func (s *Server) ollamaChat(ctx *fasthttp.RequestCtx, prompt bool) {
	key := bearer(ctx)
	form := &ollamaAnswer{prompt: prompt}
	switch {
	case !ctx.IsPost():
		refuse(ctx, refusal{status: 405, message: "405 method not allowed"}, form)
		return
	case !s.accepts(key):
		refuse(ctx, refusal{status: 401, message: "unauthorized"}, form)
		return
	}
	var req ollamaRequest
	if err := json.Unmarshal(ctx.PostBody(), &req); err != nil {
		refuse(ctx, refusal{status: 400, message: err.Error()}, form)
		return
	}
	turns, wrong := req.turns(prompt)
	if wrong != "" {
		refuse(ctx, refusal{status: 400, message: wrong}, form)
		return
	}
	var tools []string
	for i := range req.Tools {
		tools = append(tools, req.Tools[i].Function.Name)
	}
	stream := req.Stream == nil || *req.Stream
	s.begin(s.seen(ctx, Seen{Dialect: "ollama", Model: req.Model, Key: key, Stream: stream, Messages: turns, Tools: tools}))
	sc := s.count.apply(req.Model, Plan(req.Model, turns, tools))
	form.sc, form.model = &sc, req.Model
	s.converse(ctx, sc, form, stream)
}

// turns reads what is asked. wrong says what the vendor would refuse.
func (r *ollamaRequest) turns(prompt bool) (turns []Turn, wrong string) {
	if r.Model == "" {
		return nil, "model is required"
	}
	if prompt {
		if r.System != "" {
			turns = append(turns, Turn{Role: "system", Text: r.System})
		}
		return append(turns, Turn{Role: "user", Text: r.Prompt, Images: len(r.Images)}), ""
	}
	for i := range r.Messages {
		m := &r.Messages[i]
		switch m.Role {
		case "system", "user", "assistant", "tool":
		default:
			return nil, `invalid role: ` + m.Role + `, role must be one of ["user" "assistant" "system" "tool"]`
		}
		turns = append(turns, Turn{Role: m.Role, Text: m.Content, Images: len(m.Images)})
	}
	return turns, ""
}

// ollamaTags serves GET /api/tags.
func (s *Server) ollamaTags(ctx *fasthttp.RequestCtx) {
	if !s.accepts(bearer(ctx)) {
		refuse(ctx, refusal{status: 401, message: "unauthorized"}, &ollamaAnswer{})
		return
	}
	dst := []byte(`{"models":[`)
	for i, name := range offered {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = quote(append(dst, `{"name":`...), name)
		dst = append(quote(append(dst, `,"model":`...), name), '}')
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(append(dst, "]}"...))
}

// ollamaAnswer writes a line for each piece.
type ollamaAnswer struct {
	growing
	sc     *Script
	model  string
	prompt bool // there are no messages
	calls  int
}

// lines says that a stream is no events.
func (a *ollamaAnswer) lines() {}

// open begins a line, each of which has its own time.
func (a *ollamaAnswer) open(dst []byte) []byte {
	dst = quote(append(dst, `{"model":`...), a.model)
	dst = time.Now().UTC().AppendFormat(append(dst, `,"created_at":"`...), time.RFC3339Nano)
	dst = append(dst, `",`...)
	if !a.prompt {
		dst = append(dst, `"message":{"role":"assistant",`...)
	}
	return dst
}

// text writes what the message says.
func (a *ollamaAnswer) text(dst []byte, text, thought string) []byte {
	if a.prompt {
		dst = quote(append(dst, `"response":`...), text)
	} else {
		dst = quote(append(dst, `"content":`...), text)
	}
	if thought != "" {
		dst = quote(append(dst, `,"thinking":`...), thought)
	}
	return dst
}

// close ends the message of a line.
func (a *ollamaAnswer) close(dst []byte) []byte {
	if a.prompt {
		return dst
	}
	return append(dst, '}')
}

func (a *ollamaAnswer) start(dst []byte) []byte { return dst }

func (a *ollamaAnswer) step(dst []byte, st *Step) []byte {
	if dst, ok := a.grow(dst, st, a.called); ok {
		return dst
	}
	text, thought := st.Text, ""
	if st.Kind == StepReasoning {
		text, thought = "", st.Text
	}
	dst = a.text(a.open(a.called(dst)), text, thought)
	return append(a.close(dst), `,"done":false}`+"\n"...)
}

// called writes the call that has grown.
func (a *ollamaAnswer) called(dst []byte) []byte {
	c := a.grown()
	if c == nil {
		return dst
	}
	dst = append(a.text(a.open(dst), "", ""), `,"tool_calls":[`...)
	dst = append(a.part(dst, c), ']')
	return append(a.close(dst), `,"done":false}`+"\n"...)
}

// part writes a call.
func (a *ollamaAnswer) part(dst []byte, c *wholeCall) []byte {
	dst = quote(append(dst, `{"id":`...), c.id)
	dst = strconv.AppendInt(append(dst, `,"function":{"index":`...), int64(a.calls), 10)
	a.calls++
	dst = quote(append(dst, `,"name":`...), c.name)
	return append(append(append(dst, `,"arguments":`...), c.args...), "}}"...)
}

var ollamaFinish = [...]string{FinishStop: "stop", FinishLength: "length", FinishTool: "stop", FinishFilter: "content_filter"}

func (a *ollamaAnswer) end(dst []byte) []byte {
	return append(a.done(a.text(a.open(a.called(dst)), "", "")), '\n')
}

// done writes what the last line, or the only one, has behind its message.
func (a *ollamaAnswer) done(dst []byte) []byte {
	dst = append(a.close(dst), `,"done":true,"done_reason":"`...)
	dst = append(append(dst, ollamaFinish[a.sc.Finish]...), `","total_duration":1000000,"load_duration":1000`...)
	if !a.sc.NoUsage {
		dst = strconv.AppendInt(append(dst, `,"prompt_eval_count":`...), a.sc.Input, 10)
		dst = strconv.AppendInt(append(dst, `,"eval_count":`...), a.sc.Output, 10)
	}
	return append(dst, `,"eval_duration":900000}`...)
}

func (a *ollamaAnswer) whole(dst []byte) []byte {
	text, reasoning, calls := a.sc.gather()
	dst = a.text(a.open(dst), text, reasoning)
	for i := range calls {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = a.part(dst, &calls[i])
	}
	if len(calls) > 0 {
		dst = append(dst, ']')
	}
	return a.done(dst)
}

func (a *ollamaAnswer) broke(dst []byte, r refusal) []byte { return append(a.refuse(dst, r), '\n') }

func (a *ollamaAnswer) refuse(dst []byte, r refusal) []byte {
	message := r.message
	if r.context {
		message = "the input length exceeds the context length"
		if a.sc.Takes > 0 {
			message += ": " + strconv.FormatInt(a.sc.Input, 10) + " tokens > " + strconv.FormatInt(a.sc.Takes, 10)
		}
	}
	return append(quote(append(dst, `{"error":`...), message), '}')
}

func (a *ollamaAnswer) settled() {}
