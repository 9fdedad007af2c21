package openai

import (
	"strconv"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// This dialect had functions before it had tools: functions and function_call in
// a question, messages of the role function, and one function_call in an answer
// (the deprecated members of "Create chat completion" in OpenAI's reference). In
// the canonical form they are tools; a call has the id that older clients cannot
// say, made from its place.

// roleFunction is the role of a message with the result of a function.
const roleFunction = "function"

// decodeFunctions reads functions and function_call. Beside tools they mean
// nothing and are noted as dropped.
func decodeFunctions(req *translate.Request, w *wireRequest) error {
	if w.Functions.Null() {
		if !w.FunctionCall.Null() {
			req.Drop("function_call")
		}
		return nil
	}
	if !w.Tools.Null() {
		req.Drop("functions")
		return nil
	}
	functions, n, err := translate.Elements("functions", w.Functions)
	if err != nil {
		return err
	}
	req.Tools = make([]translate.Tool, 0, n)
	i := -1
	for raw := range functions {
		i++
		path := translate.Index("functions", i)
		var f wireFunction
		if err := f.read(path, raw); err != nil {
			return err
		}
		tool, err := f.tool(path)
		if err != nil {
			return err
		}
		req.Tools = append(req.Tools, tool)
	}
	// An answer has room for one call.
	req.Functions, req.ToolChoice.NoParallel = true, true
	return decodeFunctionChoice(&req.ToolChoice, w.FunctionCall)
}

func decodeFunctionChoice(c *translate.ToolChoice, raw translate.Raw) error {
	if raw.Null() {
		return nil
	}
	switch string(raw) {
	case `"auto"`:
		c.Mode = translate.ToolAuto
		return nil
	case `"none"`:
		c.Mode = translate.ToolNone
		return nil
	}
	if raw[0] != '{' {
		return translate.Invalid("function_call must be none, auto or an object")
	}
	var named struct {
		Name string `json:"name"`
	}
	if err := translate.Unmarshal("function_call", raw, &named); err != nil {
		return err
	}
	if named.Name == "" {
		return translate.Invalid("function_call.name is required")
	}
	c.Mode, c.Name = translate.ToolNamed, named.Name
	return translate.Bound("function_call.name", c.Name, translate.MaxToolName)
}

// olderCalls gives the calls of older clients their ids. A result belongs to the
// newest call of its name, or to one that nobody made: then the upstream judges.
type olderCalls struct {
	n    int
	last map[string]string // name of the function: id
}

func (o *olderCalls) begin(name string) string {
	if o.last == nil {
		o.last = map[string]string{}
	}
	id := "call_function_" + strconv.Itoa(o.n)
	o.n++
	o.last[name] = id
	return id
}

func (o *olderCalls) end(name string) string {
	if id, ok := o.last[name]; ok {
		return id
	}
	return o.begin(name)
}

// functionStart appends the start of a call for a client of functions, which can
// be told of the first one only.
func (e *encoder) functionStart(dst []byte, ev translate.Event) []byte {
	dst = e.start(dst, nil, nil)
	if ev.Index != 0 {
		return dst
	}
	dst = append(dst, e.prefix...)
	dst = append(dst, `"function_call":{"name":`...)
	dst = jsonx.AppendString(dst, ev.Name)
	dst = append(dst, `,"arguments":""}`...)
	return e.tail(dst)
}

// appendFunctionCall appends the first call of m in the older form.
func appendFunctionCall(dst []byte, m *translate.Message) []byte {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != translate.PartToolCall {
			continue
		}
		dst = append(dst, `,"function_call":`...)
		return appendFunction(dst, p)
	}
	return dst
}

// appendFunction appends the name and the arguments of a call.
func appendFunction(dst []byte, p *translate.Part) []byte {
	dst = append(dst, `{"name":`...)
	dst = jsonx.AppendString(dst, p.Name)
	dst = append(dst, `,"arguments":`...)
	if p.Args == "" {
		return append(dst, `"{}"}`...)
	}
	return append(jsonx.AppendString(dst, p.Args), '}')
}
