package openai

import (
	"bytes"
	"slices"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// AppendRequest appends the body that puts req to an upstream. A streamed
// request always asks for usage, whether the client did or not: the decoder
// hides the chunk from one who did not.
func (codec) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	if req.PassThrough {
		return appendRaw(dst, req)
	}
	dst = req.Room(dst)
	dst = append(dst, `{"model":`...)
	dst = jsonx.AppendString(dst, req.Model)
	dst = append(dst, `,"messages":[`...)
	start, question := len(dst), translate.Question(req.Messages)
	for i := range req.Messages {
		before := len(dst)
		if dst = appendMessage(dst, req, &req.Messages[i]); i == question && len(dst) == before && req.Messages[i].Role != translate.RoleAssistant {
			return dst, req.Nothing()
		}
	}
	dst = jsonx.CloseList(dst, start)
	if req.Stream {
		dst = append(dst, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	dst = appendParams(dst, req)
	dst = appendTools(dst, req)
	if req.User != "" {
		dst = append(dst, `,"user":`...)
		dst = jsonx.AppendString(dst, req.User)
	}
	return append(dst, '}'), nil
}

// appendRaw appends the client's body with another model, and with the wish for
// usage where a stream has none.
func appendRaw(dst []byte, req *translate.Request) ([]byte, error) {
	o := req.RawOutline()
	model, options, omits := o.Find("model"), o.Find("stream_options"), req.Omits("stream_options")
	asIs := omits && options == nil || !omits && (!req.Stream || req.UsageInStream)
	if model == nil || asIs {
		return req.AppendRaw(dst, o)
	}
	req.Dropped = nil
	raw := req.Raw
	switch {
	case omits:
		req.Drop("stream_options")
		return appendWithout(dst, req, model, options), nil
	case options == nil:
		end := bytes.LastIndexByte(raw, '}')
		dst = jsonx.Splice(dst, raw[:end], model, req.Model)
		dst = append(dst, `,"stream_options":{"include_usage":true}`...)
		return append(dst, raw[end:]...), nil
	case options.Start < model.Start:
		dst = append(dst, raw[:options.Start]...)
		dst = appendOptions(dst, raw[options.Start:options.End])
		dst = append(dst, raw[options.End:model.Start]...)
		dst = jsonx.AppendString(dst, req.Model)
		return append(dst, raw[model.End:]...), nil
	}
	dst = jsonx.Splice(dst, raw[:options.Start], model, req.Model)
	dst = appendOptions(dst, raw[options.Start:options.End])
	return append(dst, raw[options.End:]...), nil
}

// appendWithout appends the client's body with another model and without the member m,
// which is not the model.
func appendWithout(dst []byte, req *translate.Request, model, m *jsonx.Member) []byte {
	raw := req.Raw
	// Its name ends with the last quote before the value, and begins behind a comma or brace.
	start := bytes.LastIndexByte(raw[:m.Start], '"')
	start = max(bytes.LastIndexByte(raw[:start], ','), bytes.LastIndexByte(raw[:start], '{'))
	end := m.End
	if raw[start] == '{' {
		start++
		if comma := bytes.IndexAny(raw[end:], ",}"); comma >= 0 && raw[end+comma] == ',' {
			end += comma + 1
		}
	}
	if start < model.Start {
		dst = append(dst, raw[:start]...)
		dst = append(dst, raw[end:model.Start]...)
		dst = jsonx.AppendString(dst, req.Model)
		return append(dst, raw[model.End:]...)
	}
	dst = jsonx.Splice(dst, raw[:start], model, req.Model)
	return append(dst, raw[end:]...)
}

// appendOptions appends a client's stream_options with the wish for usage.
func appendOptions(dst, options []byte) []byte {
	o, ok := jsonx.Members(options)
	if !ok || len(o.Members) == 0 {
		return append(dst, `{"include_usage":true}`...)
	}
	if m := o.Find("include_usage"); m != nil {
		dst = append(dst, options[:m.Start]...)
		dst = append(dst, `true`...)
		return append(dst, options[m.End:]...)
	}
	dst = append(dst, `{"include_usage":true,`...)
	return append(dst, options[bytes.IndexByte(options, '{')+1:]...)
}

// appendMessage appends m with a comma after it, or nothing where nothing of m
// can be said.
func appendMessage(dst []byte, req *translate.Request, m *translate.Message) []byte {
	if m.Role == translate.RoleTool {
		return appendResults(dst, req, m)
	}
	start := len(dst)
	dst = append(dst, `{"role":"`...)
	dst = append(dst, m.Role.String()...)
	dst = append(dst, '"')
	if m.Name != "" {
		dst = append(dst, `,"name":`...)
		dst = jsonx.AppendString(dst, m.Name)
	}
	texts, others, calls, thoughts, marked := survey(req, m)
	if texts+others+calls+thoughts == 0 {
		return dst[:start]
	}
	dst = append(dst, `,"content":`...)
	switch {
	case others > 0 || marked:
		dst = appendParts(dst, req, m)
	case texts > 0 || calls == 0:
		dst = appendText(dst, req, m)
	default:
		dst = append(dst, `null`...)
	}
	if thoughts > 0 {
		dst = append(dst, `,"reasoning_content":`...)
		dst = appendReasoning(dst, m)
	}
	dst = appendDetails(dst, req, m)
	if calls > 0 {
		dst = appendCalls(dst, req, m)
	}
	return append(dst, `},`...)
}

// appendText appends the texts of m as one, as [translate.Message.Text] has it.
func appendText(dst []byte, req *translate.Request, m *translate.Message) []byte {
	dst = append(dst, '"')
	first := true
	for i := range m.Parts {
		text, ok := textOf(req, &m.Parts[i])
		if !ok {
			continue
		}
		if !first {
			dst = append(dst, `\n`...)
		}
		first = false
		dst = jsonx.AppendEscaped(dst, text)
	}
	return append(dst, '"')
}

// textOf is what a part says in words; ok is false for one that says nothing in them.
func textOf(req *translate.Request, p *translate.Part) (text string, ok bool) {
	switch p.Kind {
	case translate.PartText:
		return p.Text, true
	case translate.PartDocument, translate.PartSearch:
		if p.Text != "" {
			return req.DocumentText(p), true
		}
	}
	return "", false
}

// survey counts what can be said of m, and notes the rest. others are images, files and
// sounds.
func survey(req *translate.Request, m *translate.Message) (texts, others, calls, thoughts int, marked bool) {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Cache != nil && !keepsCache(req, p) {
			req.Drop("cache_control")
		}
		switch p.Kind {
		case translate.PartText:
			texts++
			marked = marked || keepsCache(req, p)
		case translate.PartImage:
			switch {
			case m.Role != translate.RoleUser:
				req.Drop("image")
			case p.ID != "":
				req.Drop("content.image.file")
			default:
				others++
			}
		case translate.PartDocument, translate.PartSearch, translate.PartAudio:
			switch {
			case p.Text != "":
				texts++
			case m.Role != translate.RoleUser:
				req.DropDocument(p)
			case sayable(req, p):
				others++
			}
		case translate.PartToolCall:
			calls++
		case translate.PartReasoning:
			if p.Signature != "" {
				req.Drop("signature")
			}
			if p.Text == "" || m.Role != translate.RoleAssistant {
				continue
			}
			// Servers that do not know reasoning in a question refuse it; who
			// sent it in this dialect knows what the upstream takes.
			if req.Dialect != name && (!req.Thoughts || p.Signature != "" || !m.Calls()) {
				req.Drop("reasoning")
				continue
			}
			thoughts++
		case translate.PartMedia:
			req.Drop("media")
		}
	}
	return texts, others, calls, thoughts, marked
}

// keepsCache reports whether p is told with its mark for a cache, which a client of this
// dialect has put there: OpenRouter and others take it.
func keepsCache(req *translate.Request, p *translate.Part) bool {
	return p.Cache != nil && p.Kind == translate.PartText && req.Dialect == name
}

func appendReasoning(dst []byte, m *translate.Message) []byte {
	dst = append(dst, '"')
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Kind == translate.PartReasoning {
			dst = jsonx.AppendEscaped(dst, p.Text)
		}
	}
	return append(dst, '"')
}

// detailsName is how OpenRouter calls the thoughts of an answer with their proofs, which it
// wants back.
const detailsName = "reasoning_details"

// appendDetails appends what a client of this dialect said in that member.
func appendDetails(dst []byte, req *translate.Request, m *translate.Message) []byte {
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Kind == translate.PartReasoning && p.Args != "" && m.Role == translate.RoleAssistant {
			req.Dropped = slices.DeleteFunc(slices.Clone(req.Dropped), func(what string) bool { return what == detailsName })
			return append(append(dst, `,"`+detailsName+`":`...), p.Args...)
		}
	}
	return dst
}

func appendParts(dst []byte, req *translate.Request, m *translate.Message) []byte {
	dst = append(dst, '[')
	start := len(dst)
	for i := range m.Parts {
		p := &m.Parts[i]
		if text, ok := textOf(req, p); ok {
			dst = append(dst, `{"type":"text","text":`...)
			dst = jsonx.AppendString(dst, text)
			if keepsCache(req, p) {
				dst = append(append(dst, `,"cache_control":`...), p.Cache...)
			}
			dst = append(dst, `},`...)
			continue
		}
		switch p.Kind {
		case translate.PartDocument, translate.PartAudio:
			if p.Kind == translate.PartAudio || p.Data != "" || p.ID != "" && req.Dialect == name {
				dst = appendFile(dst, p)
			}
		case translate.PartImage:
			if p.ID != "" {
				continue
			}
			dst = append(dst, `{"type":"image_url","image_url":{"url":"`...)
			if p.URL != "" {
				dst = jsonx.AppendEscaped(dst, p.URL)
			} else {
				dst = append(dst, `data:`...)
				dst = jsonx.AppendEscaped(dst, p.MediaType)
				dst = append(dst, `;base64,`...)
				dst = jsonx.AppendEscaped(dst, p.Data)
			}
			dst = append(dst, '"')
			if p.Detail != "" {
				dst = append(dst, `,"detail":`...)
				dst = jsonx.AppendString(dst, p.Detail)
			}
			dst = append(dst, `}},`...)
		}
	}
	return jsonx.CloseList(dst, start)
}

func appendCalls(dst []byte, req *translate.Request, m *translate.Message) []byte {
	dst = append(dst, `,"tool_calls":[`...)
	start := len(dst)
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Kind == translate.PartToolCall {
			short := *p
			short.Name = toldName(p.Name)
			if short.Signature == "" && req != nil && req.Proof != nil {
				short.Signature = req.Proof(p.ID)
			}
			if req != nil {
				short.ID = toldID(req, p.ID)
			}
			dst = appendCall(dst, &short)
			dst = append(dst, ',')
		}
	}
	return jsonx.CloseList(dst, start)
}

func appendCall(dst []byte, p *translate.Part) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonx.AppendString(dst, p.ID)
	dst = append(dst, `,"type":"function","function":`...)
	dst = appendFunction(dst, p)
	if p.Signature != "" {
		dst = append(append(dst, ','), p.Signature...)
	}
	return append(dst, '}')
}

// appendResults appends one message for each result: this dialect has no other
// way to answer several calls.
func appendResults(dst []byte, req *translate.Request, m *translate.Message) []byte {
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind == translate.PartImage {
			continue // it went with its result
		}
		if p.Kind != translate.PartToolResult {
			req.Drop("part of a tool message")
			continue
		}
		if p.Failed {
			req.Drop("is_error")
		}
		if p.Cache != nil {
			req.Drop("cache_control")
		}
		dst = append(dst, `{"role":"tool","tool_call_id":`...)
		dst = jsonx.AppendString(dst, toldID(req, p.ID))
		dst = append(dst, `,"content":`...)
		if shown := m.Shown(i); len(shown) > 0 {
			text := translate.Part{Kind: translate.PartText, Text: p.Text}
			dst = appendParts(dst, req, &translate.Message{Parts: append([]translate.Part{text}, shown...)})
		} else {
			dst = jsonx.AppendString(dst, p.Text)
		}
		dst = append(dst, `},`...)
	}
	return dst
}
