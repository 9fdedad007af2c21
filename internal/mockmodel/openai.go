package mockmodel

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// openaiRequest is a chat completion request, as far as a model looks at it.
type openaiRequest struct {
	Model         string          `json:"model"`
	Messages      []openaiMessage `json:"messages"`
	Stream        bool            `json:"stream"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Tools []struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
}

type openaiMessage struct {
	Role      string  `json:"role"`
	Content   content `json:"content"`
	CallID    string  `json:"tool_call_id"`
	ToolCalls []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// content is a string or a list of parts.
type content struct {
	text   string
	images int
	blocks []block // anthropic's, kept for tool results
}

type block struct {
	Type      string  `json:"type"`
	Text      string  `json:"text"`
	ID        string  `json:"id"`
	ToolUseID string  `json:"tool_use_id"`
	Content   content `json:"content"`
}

// UnmarshalJSON takes null, a string, or a list of parts.
func (c *content) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] != '[' {
		return json.Unmarshal(b, &c.text)
	}
	if err := json.Unmarshal(b, &c.blocks); err != nil {
		return err
	}
	var texts []string
	for i := range c.blocks {
		switch c.blocks[i].Type {
		case "text", "input_text", "output_text":
			texts = append(texts, c.blocks[i].Text)
		case "image_url", "image", "input_image":
			c.images++
		}
	}
	c.text = strings.Join(texts, "\n")
	return nil
}

// openaiChat serves POST /v1/chat/completions.
func (s *Server) openaiChat(ctx *fasthttp.RequestCtx) {
	key := bearer(ctx)
	switch {
	case !ctx.IsPost():
		refuse(ctx, refusal{status: 405, message: "Not allowed to " + string(ctx.Method()) + " on this path."}, openaiAnswer{})
		return
	case !s.accepts(key):
		refuse(ctx, refusal{status: 401, message: "Incorrect API key provided."}, openaiAnswer{})
		return
	}
	var req openaiRequest
	body := ctx.PostBody()
	if err := json.Unmarshal(body, &req); err != nil {
		refuse(ctx, refusal{status: 400, message: "We could not parse the JSON body of your request: " + err.Error()}, openaiAnswer{})
		return
	}
	turns, wrong := openaiTurns(req.Messages)
	if req.Model == "" {
		wrong = "you must provide a model parameter"
	}
	if wrong != "" {
		refuse(ctx, refusal{status: 400, message: wrong}, openaiAnswer{})
		return
	}
	var tools []string
	for i := range req.Tools {
		tools = append(tools, req.Tools[i].Function.Name)
	}
	s.begin(s.seen(ctx, Seen{Dialect: "openai", Model: req.Model, Key: key, Stream: req.Stream, Messages: turns, Tools: tools}))
	sc := s.count.apply(req.Model, Plan(req.Model, turns, tools))
	a := openaiAnswer{sc: &sc, usage: !req.Stream || req.StreamOptions != nil && req.StreamOptions.IncludeUsage}
	a.head = append(a.head, `{"id":`...)
	a.head = quote(a.head, s.id("chatcmpl-mock"))
	if req.Stream {
		a.head = append(a.head, `,"object":"chat.completion.chunk","created":`...)
	} else {
		a.head = append(a.head, `,"object":"chat.completion","created":`...)
	}
	a.head = strconv.AppendInt(a.head, unixSeconds(), 10)
	a.head = append(a.head, `,"model":`...)
	a.head = quote(a.head, req.Model)
	a.head = append(a.head, `,"system_fingerprint":"fp_mock"`...)
	s.converse(ctx, sc, a, req.Stream)
}

// seen completes a record from ctx, if one is kept.
func (s *Server) seen(ctx *fasthttp.RequestCtx, seen Seen) Seen {
	if !s.opts.NoRecord {
		seen.Path, seen.Body = string(ctx.Path()), string(ctx.PostBody())
	}
	return seen
}

// openaiTurns reads the messages. wrong says what the vendor would refuse: no
// messages, an unknown role, a tool's result without the call it answers.
func openaiTurns(ms []openaiMessage) (turns []Turn, wrong string) {
	if len(ms) == 0 {
		return nil, "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
	}
	called := map[string]bool{}
	for i := range ms {
		m := &ms[i]
		role := m.Role
		switch role {
		case "developer":
			role = "system"
		case "system", "user", "assistant":
		case "tool":
			if !called[m.CallID] {
				return nil, "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
			}
		default:
			return nil, "Invalid value: '" + role + "'. Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'."
		}
		for j := range m.ToolCalls {
			called[m.ToolCalls[j].ID] = true
		}
		turns = append(turns, Turn{Role: role, Text: m.Content.text, Images: m.Content.images})
	}
	return turns, ""
}

// openaiAnswer writes chat.completion and chat.completion.chunk objects.
type openaiAnswer struct {
	sc    *Script
	head  []byte // {"id":…,"model":…
	usage bool   // asked for
}

func (a openaiAnswer) chunk(dst []byte) []byte {
	dst = append(dst, "data: "...)
	return append(dst, a.head...)
}

// null ends a chunk; with usage asked for, all but the last say that it is null.
func (a openaiAnswer) null(dst []byte) []byte {
	if a.usage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

func (a openaiAnswer) start(dst []byte) []byte {
	dst = append(a.chunk(dst), `,"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]`...)
	return a.null(dst)
}

func (a openaiAnswer) step(dst []byte, st *Step) []byte {
	dst = append(a.chunk(dst), `,"choices":[{"index":0,"delta":{`...)
	switch st.Kind {
	case StepText:
		dst = quote(append(dst, `"content":`...), st.Text)
	case StepReasoning:
		dst = quote(append(dst, `"reasoning_content":`...), st.Text)
	case StepCall:
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(st.Index), 10)
		dst = quote(append(dst, `,"id":`...), st.ID)
		dst = quote(append(dst, `,"type":"function","function":{"name":`...), st.Name)
		dst = append(dst, `,"arguments":""}}]`...)
	case StepArgs:
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(st.Index), 10)
		dst = quote(append(dst, `,"function":{"arguments":`...), st.Text)
		dst = append(dst, `}}]`...)
	}
	return a.null(append(dst, `},"logprobs":null,"finish_reason":null}]`...))
}

func (a openaiAnswer) end(dst []byte) []byte {
	dst = append(a.chunk(dst), `,"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"`...)
	dst = append(dst, openaiFinish[a.sc.Finish]...)
	dst = a.null(append(dst, `"}]`...))
	if a.usage && !a.sc.NoUsage {
		dst = append(a.chunk(dst), `,"choices":[]`...)
		dst = append(a.count(dst), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

func (a openaiAnswer) count(dst []byte) []byte {
	dst = append(dst, `,"usage":{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Input, 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Output, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Input+a.sc.Output, 10)
	return append(dst, '}')
}

var openaiFinish = [...]string{FinishStop: "stop", FinishLength: "length", FinishTool: "tool_calls", FinishFilter: "content_filter"}

func (a openaiAnswer) whole(dst []byte) []byte {
	dst = append(dst, a.head...)
	dst = append(dst, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	text, reasoning, calls := a.sc.gather()
	if text == "" && len(calls) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = quote(dst, text)
	}
	dst = append(dst, `,"refusal":null`...)
	if reasoning != "" {
		dst = quote(append(dst, `,"reasoning_content":`...), reasoning)
	}
	for i, c := range calls {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = quote(append(dst, `{"id":`...), c.id)
		dst = quote(append(dst, `,"type":"function","function":{"name":`...), c.name)
		dst = quote(append(dst, `,"arguments":`...), c.args)
		dst = append(dst, "}}"...)
		if i == len(calls)-1 {
			dst = append(dst, ']')
		}
	}
	dst = append(dst, `},"logprobs":null,"finish_reason":"`...)
	dst = append(dst, openaiFinish[a.sc.Finish]...)
	dst = append(dst, `"}]`...)
	if !a.sc.NoUsage {
		dst = a.count(dst)
	}
	return append(dst, '}')
}

func (a openaiAnswer) broke(dst []byte, r refusal) []byte {
	dst = append(dst, "data: "...)
	return append(a.refuse(dst, r), "\n\n"...)
}

func (a openaiAnswer) refuse(dst []byte, r refusal) []byte {
	kind, code := openaiKind(r)
	dst = quote(append(dst, `{"error":{"message":`...), r.message)
	dst = quote(append(dst, `,"type":`...), kind)
	if r.context {
		dst = append(dst, `,"param":"messages","code":`...)
	} else {
		dst = append(dst, `,"param":null,"code":`...)
	}
	if code == "" {
		dst = append(dst, "null"...)
	} else {
		dst = quote(dst, code)
	}
	return append(dst, "}}"...)
}

func (a openaiAnswer) settled() {}

// wholeCall is a tool call in one piece.
type wholeCall struct{ id, name, args string }

// growing is the call that an answer is telling of, in a dialect whose calls come whole.
type growing struct{ call *wholeCall }

// grow takes a step of a call, and reports whether st is one. told writes the call before it.
func (g *growing) grow(dst []byte, st *Step, told func(dst []byte) []byte) (out []byte, ok bool) {
	switch st.Kind {
	case StepArgs:
		g.call.args += st.Text
		return dst, true
	case StepCall:
		dst = told(dst)
		g.call = &wholeCall{id: st.ID, name: st.Name}
		return dst, true
	}
	return dst, false
}

// grown returns the call that has grown, once; nil: there is none.
func (g *growing) grown() *wholeCall {
	c := g.call
	g.call = nil
	return c
}

// gather joins the pieces of an answer by kind.
func (sc *Script) gather() (text, reasoning string, calls []wholeCall) {
	var t, r strings.Builder
	for i := range sc.Steps {
		switch st := &sc.Steps[i]; st.Kind {
		case StepText:
			t.WriteString(st.Text)
		case StepReasoning:
			r.WriteString(st.Text)
		case StepCall:
			calls = append(calls, wholeCall{id: st.ID, name: st.Name})
		case StepArgs:
			calls[st.Index].args += st.Text
		}
	}
	return t.String(), r.String(), calls
}
