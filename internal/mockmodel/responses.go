package mockmodel

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// responsesRequest is a request to the Responses API, as far as a model looks at it.
type responsesRequest struct {
	Model        string          `json:"model"`
	Input        json.RawMessage `json:"input"`
	Instructions string          `json:"instructions"`
	Stream       bool            `json:"stream"`
	Tools        []struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"tools"`
}

// responsesItem is an item of the input.
type responsesItem struct {
	Type    string  `json:"type"`
	Role    string  `json:"role"`
	Content content `json:"content"`
	CallID  string  `json:"call_id"`
	Output  content `json:"output"`
}

// responsesChat serves POST /v1/responses.
func (s *Server) responsesChat(ctx *fasthttp.RequestCtx) {
	key := bearer(ctx)
	a := &responsesAnswer{openaiAnswer: openaiAnswer{}}
	switch {
	case !ctx.IsPost():
		refuse(ctx, refusal{status: 405, message: "Not allowed to " + string(ctx.Method()) + " on this path."}, a)
		return
	case !s.accepts(key):
		refuse(ctx, refusal{status: 401, message: "Incorrect API key provided."}, a)
		return
	}
	var req responsesRequest
	if err := json.Unmarshal(ctx.PostBody(), &req); err != nil {
		refuse(ctx, refusal{status: 400, message: "We could not parse the JSON body of your request: " + err.Error()}, a)
		return
	}
	turns, wrong := req.turns()
	if req.Model == "" {
		wrong = "Missing required parameter: 'model'."
	}
	if wrong != "" {
		refuse(ctx, refusal{status: 400, message: wrong}, a)
		return
	}
	tools := req.tools(a)
	s.begin(s.seen(ctx, Seen{Dialect: "responses", Model: req.Model, Key: key, Stream: req.Stream, Messages: turns, Tools: tools}))
	sc := s.count.apply(req.Model, Plan(req.Model, turns, tools))
	a.sc, a.key, a.model, a.created = &sc, s.id("mock"), req.Model, unixSeconds()
	s.converse(ctx, sc, a, req.Stream)
}

// tools are the names of those that the client runs, and notes for a which are custom ones.
func (req *responsesRequest) tools(a *responsesAnswer) (names []string) {
	for i := range req.Tools {
		switch t := &req.Tools[i]; t.Type {
		case "function", "custom":
			names = append(names, t.Name)
			if t.Type == "custom" {
				a.free = append(a.free, t.Name)
			}
		}
	}
	return names
}

// turns reads the input. wrong says what the vendor would refuse.
func (req *responsesRequest) turns() (turns []Turn, wrong string) {
	if req.Instructions != "" {
		turns = append(turns, Turn{Role: "system", Text: req.Instructions})
	}
	var text string
	if json.Unmarshal(req.Input, &text) == nil && len(req.Input) > 0 && req.Input[0] == '"' {
		return append(turns, Turn{Role: "user", Text: text}), ""
	}
	var items []responsesItem
	if err := json.Unmarshal(req.Input, &items); err != nil || len(items) == 0 {
		return nil, "Invalid type for 'input': expected one of a list of input items or a string."
	}
	called := map[string]bool{}
	for i := range items {
		it := &items[i]
		switch it.Type {
		case "", "message":
			role := it.Role
			switch role {
			case "developer":
				role = "system"
			case "system", "user", "assistant":
			default:
				return nil, "Invalid value: '" + role + "'. Supported values are: 'assistant', 'system', 'developer', and 'user'."
			}
			turns = append(turns, Turn{Role: role, Text: it.Content.text, Images: it.Content.images})
		case "function_call", "custom_tool_call":
			called[it.CallID] = true
			turns = append(turns, Turn{Role: "assistant"})
		case "function_call_output", "custom_tool_call_output":
			if !called[it.CallID] {
				return nil, "No tool call found for function call output with call_id " + it.CallID + "."
			}
			turns = append(turns, Turn{Role: "tool", Text: it.Output.text})
		}
	}
	return turns, ""
}

// responsesAnswer writes response objects and their events. Its refusals are those of
// openai.
type responsesAnswer struct {
	openaiAnswer
	key, model string
	created    int64
	free       []string // names of custom tools
	seq        int64
	items      []*responsesOutput
}

// responsesOutput is an item of the output.
type responsesOutput struct {
	kind     StepKind
	text     strings.Builder
	place    string // which item it is, in events; empty: not known yet
	id, name string
	free     bool
	over     bool
}

// event appends an event; fields begins with a comma.
func (a *responsesAnswer) event(dst []byte, kind, fields string) []byte {
	dst = append(a.begin(dst, kind), fields...)
	return append(dst, "}\n\n"...)
}

// begin appends the beginning of an event.
func (a *responsesAnswer) begin(dst []byte, kind string) []byte {
	dst = append(append(append(dst, "event: "...), kind...), "\ndata: {\"type\":\""...)
	dst = append(append(dst, kind...), "\",\"sequence_number\":"...)
	a.seq++
	return strconv.AppendInt(dst, a.seq-1, 10)
}

func (a *responsesAnswer) start(dst []byte) []byte {
	whole := `,"response":` + string(a.response(nil, "in_progress", false))
	return a.event(a.event(dst, "response.created", whole), "response.in_progress", whole)
}

func (a *responsesAnswer) step(dst []byte, st *Step) []byte {
	if st.Kind == StepArgs {
		o, n := a.call(st.Index)
		o.text.WriteString(st.Text)
		if o.free {
			return dst
		}
		return a.event(dst, "response.function_call_arguments.delta", o.at(a, n)+`,"delta":`+string(quote(nil, st.Text)))
	}
	last := len(a.items) - 1
	if st.Kind == StepCall || last < 0 || a.items[last].kind != st.Kind {
		if last >= 0 && a.items[last].kind != StepCall {
			dst = a.close(dst, last)
		}
		a.items = append(a.items, &responsesOutput{kind: st.Kind, id: st.ID, name: st.Name, free: st.Kind == StepCall && a.isFree(st.Name)})
		last = len(a.items) - 1
		dst = a.open(dst, last)
	}
	o := a.items[last]
	if st.Kind == StepCall {
		return dst
	}
	o.text.WriteString(st.Text)
	kind, place, more := "response.output_text.delta", `,"content_index":0`, `,"logprobs":[]`
	if st.Kind == StepReasoning {
		kind, place, more = "response.reasoning_summary_text.delta", `,"summary_index":0`, ""
	}
	dst = append(append(a.begin(dst, kind), o.at(a, last)...), place...)
	dst = quote(append(dst, `,"delta":`...), st.Text)
	return append(append(dst, more...), "}\n\n"...)
}

func (a *responsesAnswer) isFree(name string) bool {
	for _, f := range a.free {
		if f == name {
			return true
		}
	}
	return false
}

// call is the item of the nth call.
func (a *responsesAnswer) call(n int) (*responsesOutput, int) {
	for i, o := range a.items {
		if o.kind == StepCall {
			if n--; n < 0 {
				return o, i
			}
		}
	}
	panic("BUG: arguments of no call")
}

// at names the item in an event.
func (o *responsesOutput) at(a *responsesAnswer, n int) string {
	if o.place == "" {
		o.place = `,"item_id":"` + o.itemID(a, n) + `","output_index":` + strconv.Itoa(n)
	}
	return o.place
}

func (o *responsesOutput) itemID(a *responsesAnswer, n int) string {
	prefix := "msg_"
	switch {
	case o.kind == StepReasoning:
		prefix = "rs_"
	case o.free:
		prefix = "ctc_"
	case o.kind == StepCall:
		prefix = "fc_"
	}
	return prefix + a.key + strconv.Itoa(n)
}

func (a *responsesAnswer) open(dst []byte, n int) []byte {
	o := a.items[n]
	dst = a.event(dst, "response.output_item.added", `,"output_index":`+strconv.Itoa(n)+`,"item":`+o.json(a, n))
	switch o.kind {
	case StepText:
		return a.event(dst, "response.content_part.added", o.at(a, n)+`,"content_index":0,"part":`+textPart(""))
	case StepReasoning:
		return a.event(dst, "response.reasoning_summary_part.added", o.at(a, n)+`,"summary_index":0,"part":`+summaryPart(""))
	}
	return dst
}

func (a *responsesAnswer) close(dst []byte, n int) []byte {
	o := a.items[n]
	if o.over {
		return dst
	}
	o.over = true
	text := string(quote(nil, o.text.String()))
	switch {
	case o.kind == StepText:
		dst = a.event(dst, "response.output_text.done", o.at(a, n)+`,"content_index":0,"logprobs":[],"text":`+text)
		dst = a.event(dst, "response.content_part.done", o.at(a, n)+`,"content_index":0,"part":`+textPart(o.text.String()))
	case o.kind == StepReasoning:
		dst = a.event(dst, "response.reasoning_summary_text.done", o.at(a, n)+`,"summary_index":0,"text":`+text)
		dst = a.event(dst, "response.reasoning_summary_part.done", o.at(a, n)+`,"summary_index":0,"part":`+summaryPart(o.text.String()))
	case o.free:
		dst = a.event(dst, "response.custom_tool_call_input.delta", o.at(a, n)+`,"delta":`+text)
		dst = a.event(dst, "response.custom_tool_call_input.done", o.at(a, n)+`,"input":`+text)
	default:
		dst = a.event(dst, "response.function_call_arguments.done", o.at(a, n)+`,"arguments":`+text)
	}
	return a.event(dst, "response.output_item.done", `,"output_index":`+strconv.Itoa(n)+`,"item":`+o.json(a, n))
}

func textPart(text string) string {
	return `{"type":"output_text","annotations":[],"logprobs":[],"text":` + string(quote(nil, text)) + `}`
}

func summaryPart(text string) string {
	return `{"type":"summary_text","text":` + string(quote(nil, text)) + `}`
}

// json is the item as it stands.
func (o *responsesOutput) json(a *responsesAnswer, n int) string {
	status, inner, args := "in_progress", "", `""`
	if o.over {
		status, args = "completed", string(quote(nil, o.text.String()))
	}
	head := `{"id":"` + o.itemID(a, n) + `","type":"`
	switch {
	case o.kind == StepText:
		if o.over {
			inner = textPart(o.text.String())
		}
		return head + `message","status":"` + status + `","role":"assistant","content":[` + inner + `]}`
	case o.kind == StepReasoning:
		if o.over {
			inner = summaryPart(o.text.String())
		}
		return head + `reasoning","summary":[` + inner + `]}`
	case o.free:
		head += `custom_tool_call","input":` + args
	default:
		head += `function_call","arguments":` + args
	}
	return head + `,"status":"` + status + `","call_id":` + string(quote(nil, o.id)) + `,"name":` + string(quote(nil, o.name)) + `}`
}

func (a *responsesAnswer) end(dst []byte) []byte {
	for n := range a.items {
		dst = a.close(dst, n)
	}
	status := responsesStatus[a.sc.Finish]
	return a.event(dst, "response."+status, `,"response":`+string(a.response(nil, status, true)))
}

var responsesStatus = [...]string{FinishStop: "completed", FinishLength: "incomplete", FinishTool: "completed", FinishFilter: "incomplete"}

// response appends the response object.
func (a *responsesAnswer) response(dst []byte, status string, over bool) []byte {
	dst = append(dst, `{"id":"resp_`+a.key+`","object":"response","created_at":`...)
	dst = strconv.AppendInt(dst, a.created, 10)
	dst = append(dst, `,"status":"`+status+`","error":null,"incomplete_details":`...)
	switch {
	case status != "incomplete":
		dst = append(dst, `null`...)
	case a.sc.Finish == FinishFilter:
		dst = append(dst, `{"reason":"content_filter"}`...)
	default:
		dst = append(dst, `{"reason":"max_output_tokens"}`...)
	}
	dst = quote(append(dst, `,"instructions":null,"metadata":{},"model":`...), a.model)
	dst = append(dst, `,"output":[`...)
	for n, o := range a.items {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, o.json(a, n)...)
	}
	dst = append(dst, `],"parallel_tool_calls":true,"temperature":1,"tool_choice":"auto","tools":[],"top_p":1,"usage":`...)
	if !over || a.sc.NoUsage {
		return append(dst, `null}`...)
	}
	dst = append(dst, `{"input_tokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Input, 10)
	dst = append(dst, `,"input_tokens_details":{"cached_tokens":0},"output_tokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Output, 10)
	dst = append(dst, `,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Input+a.sc.Output, 10)
	return append(dst, `}}`...)
}

func (a *responsesAnswer) whole(dst []byte) []byte {
	for i := range a.sc.Steps {
		a.step(nil, &a.sc.Steps[i])
	}
	for n := range a.items {
		a.items[n].over = true
	}
	return a.response(dst, responsesStatus[a.sc.Finish], true)
}

func (a *responsesAnswer) broke(dst []byte, r refusal) []byte {
	kind, code := openaiKind(r)
	fields := string(quote([]byte(`,"error":{"message":`), r.message)) + `,"type":"` + kind + `","param":null,"code":`
	if code == "" {
		return a.event(dst, "error", fields+`null}`)
	}
	return a.event(dst, "error", fields+`"`+code+`"}`)
}
