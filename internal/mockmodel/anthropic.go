package mockmodel

import (
	"encoding/json"
	"strconv"

	"github.com/valyala/fasthttp"
)

// anthropicRequest is a request to the Messages API, as far as a model looks at
// it.
type anthropicRequest struct {
	Model     string   `json:"model"`
	MaxTokens *float64 `json:"max_tokens"` // 100.0 is as good as 100
	System    content  `json:"system"`
	Stream    bool     `json:"stream"`
	Messages  []struct {
		Role    string  `json:"role"`
		Content content `json:"content"`
	} `json:"messages"`
	Tools []struct {
		Name string `json:"name"`
	} `json:"tools"`
}

// anthropicChat serves POST /v1/messages, and the count of a question, which is not recorded.
func (s *Server) anthropicChat(ctx *fasthttp.RequestCtx, count bool) {
	key := string(ctx.Request.Header.Peek("X-Api-Key"))
	if key == "" {
		key = bearer(ctx)
	}
	form := anthropicAnswer{id: s.id("mock")}
	wrong := ""
	var req anthropicRequest
	switch {
	case !ctx.IsPost():
		refuse(ctx, refusal{status: 405, message: "Method Not Allowed"}, &form)
		return
	case !s.accepts(key):
		refuse(ctx, refusal{status: 401, message: "invalid x-api-key"}, &form)
		return
	case len(ctx.Request.Header.Peek("Anthropic-Version")) == 0:
		wrong = "anthropic-version: header is required"
	default:
		if err := json.Unmarshal(ctx.PostBody(), &req); err != nil {
			wrong = "The request body is not valid JSON: " + err.Error()
		}
	}
	if wrong == "" {
		wrong = req.wrong(count)
	}
	var turns []Turn
	if wrong == "" {
		turns, wrong = req.turns()
	}
	if wrong != "" {
		refuse(ctx, refusal{status: 400, message: wrong}, &form)
		return
	}
	var tools []string
	for i := range req.Tools {
		tools = append(tools, req.Tools[i].Name)
	}
	if sc := Plan(req.Model, turns, tools); count {
		if sc.Fault == FaultFail {
			refuse(ctx, refusal{status: sc.Status, message: "it does not count"}, &form)
			return
		}
		ctx.SetContentType("application/json")
		ctx.SetBodyString(`{"input_tokens":` + strconv.FormatInt(sc.Input, 10) + `}`)
		return
	}
	s.begin(s.seen(ctx, Seen{Dialect: "anthropic", Model: req.Model, Key: key, Stream: req.Stream, Messages: turns, Tools: tools}))
	sc := s.count.apply(req.Model, Plan(req.Model, turns, tools))
	form.sc, form.model = &sc, req.Model
	ctx.Response.Header.Set("Request-Id", "req_"+form.id)
	s.converse(ctx, sc, &form, req.Stream)
}

// wrong says what the vendor requires and req lacks; a count knows no max_tokens.
func (r *anthropicRequest) wrong(count bool) string {
	switch {
	case r.Model == "":
		return "model: Field required"
	case count && r.MaxTokens != nil:
		return "max_tokens: Extra inputs are not permitted"
	case r.MaxTokens == nil && !count:
		return "max_tokens: Field required"
	case !count && *r.MaxTokens < 1:
		return "max_tokens: Input should be greater than or equal to 1"
	case len(r.Messages) == 0:
		return "messages: at least one message is required"
	}
	return ""
}

// turns reads the messages. A tool's result is a turn of its own; it must
// answer a call of an assistant before it.
func (r *anthropicRequest) turns() (turns []Turn, wrong string) {
	if r.System.text != "" {
		turns = append(turns, Turn{Role: "system", Text: r.System.text})
	}
	called := map[string]bool{}
	for i := range r.Messages {
		m := &r.Messages[i]
		if wrong := r.misplaced(i); wrong != "" {
			return nil, "messages." + strconv.Itoa(i) + wrong
		}
		results := 0
		for j := range m.Content.blocks {
			switch b := &m.Content.blocks[j]; b.Type {
			case "tool_use":
				called[b.ID] = true
			case "tool_result":
				if !called[b.ToolUseID] {
					return nil, "messages." + strconv.Itoa(i) + ": unexpected `tool_use_id` found in `tool_result` blocks: " + b.ToolUseID
				}
				results++
				turns = append(turns, Turn{Role: "tool", Text: b.Content.text, Images: b.Content.images})
			}
		}
		if results == 0 || m.Content.text != "" || m.Content.images > 0 {
			turns = append(turns, Turn{Role: m.Role, Text: m.Content.text, Images: m.Content.images})
		}
	}
	return turns, ""
}

// misplaced says what is wrong with the role of the i-th message. A system message stands
// behind one of the user and before one of the assistant, or at the end.
func (r *anthropicRequest) misplaced(i int) string {
	switch r.Messages[i].Role {
	case "user", "assistant":
		return ""
	case "system":
	default:
		return ".role: Input should be 'user', 'assistant' or 'system'"
	}
	if i == 0 || r.Messages[i-1].Role != "user" || i+1 < len(r.Messages) && r.Messages[i+1].Role != "assistant" {
		return ": role 'system' must follow a user message and precede an assistant message"
	}
	return ""
}

// anthropicAnswer writes a message and its events.
type anthropicAnswer struct {
	sc    *Script
	id    string
	model string
	block int      // blocks begun so far
	open  StepKind // kind of the block that is open; 0: none
}

func (a *anthropicAnswer) event(dst []byte, name string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	return append(dst, '"')
}

func (a *anthropicAnswer) message(dst []byte) []byte {
	dst = quote(append(dst, `{"id":`...), "msg_"+a.id)
	dst = append(dst, `,"type":"message","role":"assistant","model":`...)
	return quote(dst, a.model)
}

func (a *anthropicAnswer) start(dst []byte) []byte {
	dst = append(a.event(dst, "message_start"), `,"message":`...)
	dst = append(a.message(dst), `,"content":[],"stop_reason":null,"stop_sequence":null`...)
	if !a.sc.NoUsage {
		dst = a.usage(dst, min(1, a.sc.Output))
	}
	dst = append(dst, "}}\n\n"...)
	return append(a.event(dst, "ping"), "}\n\n"...)
}

func (a *anthropicAnswer) usage(dst []byte, output int64) []byte {
	dst = append(dst, `,"usage":{"input_tokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Input, 10)
	dst = append(dst, `,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":`...)
	dst = strconv.AppendInt(dst, output, 10)
	return append(dst, '}')
}

// opened closes the open block if st does not belong to it, and opens its own.
func (a *anthropicAnswer) opened(dst []byte, st *Step) []byte {
	if st.Kind == a.open && st.Kind != StepCall || st.Kind == StepArgs {
		return dst
	}
	dst = a.closed(dst)
	a.open = st.Kind
	dst = append(a.event(dst, "content_block_start"), `,"index":`...)
	dst = strconv.AppendInt(dst, int64(a.block), 10)
	switch st.Kind {
	case StepReasoning:
		dst = append(dst, `,"content_block":{"type":"thinking","thinking":"","signature":""}`...)
	case StepCall:
		dst = quote(append(dst, `,"content_block":{"type":"tool_use","id":`...), st.ID)
		dst = quote(append(dst, `,"name":`...), st.Name)
		dst = append(dst, `,"input":{}}`...)
	default:
		dst = append(dst, `,"content_block":{"type":"text","text":""}`...)
	}
	return append(dst, "}\n\n"...)
}

// signature is what proves the scripted reasoning.
const signature = "c2lnbmVkIGJ5IHRoZSBzY3JpcHQ="

func (a *anthropicAnswer) closed(dst []byte) []byte {
	if a.open == 0 {
		return dst
	}
	if a.open == StepReasoning {
		dst = append(a.delta(dst, "signature_delta", "signature", signature), "}\n\n"...)
	}
	a.open = 0
	dst = append(a.event(dst, "content_block_stop"), `,"index":`...)
	dst = strconv.AppendInt(dst, int64(a.block), 10)
	a.block++
	return append(dst, "}\n\n"...)
}

func (a *anthropicAnswer) delta(dst []byte, kind, field, text string) []byte {
	dst = append(a.event(dst, "content_block_delta"), `,"index":`...)
	dst = strconv.AppendInt(dst, int64(a.block), 10)
	dst = append(dst, `,"delta":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","`...)
	dst = append(dst, field...)
	dst = quote(append(dst, `":`...), text)
	return append(dst, '}')
}

func (a *anthropicAnswer) step(dst []byte, st *Step) []byte {
	dst = a.opened(dst, st)
	switch st.Kind {
	case StepText:
		dst = a.delta(dst, "text_delta", "text", st.Text)
	case StepReasoning:
		dst = a.delta(dst, "thinking_delta", "thinking", st.Text)
	case StepArgs:
		dst = a.delta(dst, "input_json_delta", "partial_json", st.Text)
	default:
		return dst
	}
	return append(dst, "}\n\n"...)
}

func (a *anthropicAnswer) end(dst []byte) []byte {
	dst = a.closed(dst)
	dst = append(a.event(dst, "message_delta"), `,"delta":{"stop_reason":"`...)
	dst = append(dst, anthropicFinish[a.sc.Finish]...)
	dst = append(dst, `","stop_sequence":null}`...)
	if !a.sc.NoUsage {
		dst = append(dst, `,"usage":{"output_tokens":`...)
		dst = strconv.AppendInt(dst, a.sc.Output, 10)
		dst = append(dst, '}')
	}
	dst = append(dst, "}\n\n"...)
	return append(a.event(dst, "message_stop"), "}\n\n"...)
}

var anthropicFinish = [...]string{FinishStop: "end_turn", FinishLength: "max_tokens", FinishTool: "tool_use", FinishFilter: "refusal"}

func (a *anthropicAnswer) whole(dst []byte) []byte {
	text, reasoning, calls := a.sc.gather()
	dst = append(a.message(dst), `,"content":[`...)
	first := len(dst)
	comma := func(dst []byte) []byte {
		if len(dst) > first {
			dst = append(dst, ',')
		}
		return dst
	}
	if reasoning != "" {
		dst = quote(append(dst, `{"type":"thinking","thinking":`...), reasoning)
		dst = append(quote(append(dst, `,"signature":`...), signature), '}')
	}
	if text != "" {
		dst = append(quote(append(comma(dst), `{"type":"text","text":`...), text), '}')
	}
	for _, c := range calls {
		dst = quote(append(comma(dst), `{"type":"tool_use","id":`...), c.id)
		dst = quote(append(dst, `,"name":`...), c.name)
		dst = append(dst, `,"input":`...)
		dst = append(append(dst, c.args...), '}')
	}
	dst = append(dst, `],"stop_reason":"`...)
	dst = append(dst, anthropicFinish[a.sc.Finish]...)
	dst = append(dst, `","stop_sequence":null`...)
	if !a.sc.NoUsage {
		dst = a.usage(dst, a.sc.Output)
	}
	return append(dst, '}')
}

func (a *anthropicAnswer) broke(dst []byte, r refusal) []byte {
	dst = append(dst, "event: error\ndata: "...)
	return append(a.refuse(dst, r), "\n\n"...)
}

func (a *anthropicAnswer) refuse(dst []byte, r refusal) []byte {
	message := r.message
	if r.context {
		message = "prompt is too long: " + strconv.FormatInt(a.sc.Input, 10) + " tokens > 8 maximum"
	}
	dst = quote(append(dst, `{"type":"error","error":{"type":`...), anthropicKind(r.status))
	dst = quote(append(dst, `,"message":`...), message)
	dst = quote(append(dst, `},"request_id":`...), "req_"+a.id)
	return append(dst, '}')
}

func (a *anthropicAnswer) settled() {}

// anthropicKind returns the error type that belongs to a status.
func anthropicKind(status int) string {
	switch status {
	case 401:
		return "authentication_error"
	case 402:
		return "billing_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 413:
		return "request_too_large"
	case 429:
		return "rate_limit_error"
	case 504:
		return "timeout_error"
	case 503, 529:
		return "overloaded_error"
	}
	if status < 500 {
		return "invalid_request_error"
	}
	return "api_error"
}
