package responses

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// ending is why an answer ended; nil: it goes on.
type ending struct {
	finish  translate.Finish
	failure *translate.Error
}

// statusOf is the status of a response that ended so.
func statusOf(f translate.Finish) string {
	if f == translate.FinishLength || f == translate.FinishFilter {
		return "incomplete"
	}
	return "completed"
}

// appendResponse appends a response object. What it says of its question is what the client
// wrote, as far as that is known, else what the vendor takes for granted.
func (e *answering) appendResponse(dst []byte, status string, output []piece, over *ending, usage *translate.Usage) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonx.AppendString(dst, e.envelope.ID)
	dst = append(dst, `,"object":"response","created_at":`...)
	dst = jsonx.AppendInt(dst, e.envelope.Created/1000)
	dst = append(append(append(dst, `,"status":"`...), status...), `","background":false,"error":`...)
	dst = appendFailed(dst, over)
	dst = append(dst, `,"incomplete_details":`...)
	switch {
	case status != "incomplete":
		dst = append(dst, `null`...)
	case over.finish == translate.FinishFilter:
		dst = append(dst, `{"reason":"content_filter"}`...)
	default:
		dst = append(dst, `{"reason":"max_output_tokens"}`...)
	}
	dst = append(dst, `,"model":`...)
	dst = jsonx.AppendString(dst, e.model)
	dst = append(dst, `,"output":[`...)
	start := len(dst)
	for i := range output {
		dst = append(e.appendItem(dst, i, &output[i]), ',')
	}
	dst = e.echo(jsonx.CloseList(dst, start))
	dst = append(dst, `,"usage":`...)
	if usage == nil {
		return append(dst, `null}`...)
	}
	return append(appendUsage(dst, *usage), '}')
}

// echoed are the members of a question that a response repeats, and what they are where they
// are missing.
var echoed = []struct{ name, missing string }{
	{"instructions", `null`}, {"max_output_tokens", `null`}, {"metadata", `{}`}, {"parallel_tool_calls", `true`}, {"previous_response_id", `null`},
	{"reasoning", `{"effort":null,"summary":null}`}, {"store", `true`}, {"temperature", `null`}, {"text", `{"format":{"type":"text"}}`}, {"tool_choice", `"auto"`},
	{"tools", `[]`}, {"top_p", `null`}, {"truncation", `"disabled"`}, {"user", `null`},
}

func (e *answering) echo(dst []byte) []byte {
	o := jsonx.Outline{Members: e.members}
	for _, m := range echoed {
		dst = append(append(append(dst, `,"`...), m.name...), `":`...)
		said := o.Find(m.name)
		if said == nil || string(e.raw[said.Start:said.End]) == "null" {
			dst = append(dst, m.missing...)
			continue
		}
		dst = appendLine(dst, e.raw[said.Start:said.End])
	}
	if e.envelope.Conversation != "" {
		dst = append(dst, `,"conversation":{"id":`...)
		dst = append(jsonx.AppendString(dst, e.envelope.Conversation), '}')
	}
	return dst
}

// appendLine appends JSON text without its line breaks, which would end an event.
func appendLine(dst, text []byte) []byte {
	for _, c := range text {
		if c != '\n' && c != '\r' {
			dst = append(dst, c)
		}
	}
	return dst
}

func appendUsage(dst []byte, u translate.Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = jsonx.AppendInt(dst, u.Input)
	dst = append(dst, `,"input_tokens_details":{"cached_tokens":`...)
	dst = jsonx.AppendInt(dst, u.CacheRead)
	dst = append(dst, `,"cache_write_tokens":`...)
	dst = jsonx.AppendInt(dst, u.CacheWrite)
	dst = append(dst, `},"output_tokens":`...)
	dst = jsonx.AppendInt(dst, u.Output)
	dst = append(dst, `,"output_tokens_details":{"reasoning_tokens":`...)
	dst = jsonx.AppendInt(dst, u.Reasoning)
	dst = append(dst, `},"total_tokens":`...)
	dst = jsonx.AppendInt(dst, u.Total())
	return append(dst, '}')
}

// key is what the ids of an answer have in common: that of the response without its prefix.
func (e *answering) key() string {
	return strings.TrimPrefix(e.envelope.ID, idPrefix)
}

const idPrefix = "resp_"

// appendItemID appends the id of the ith item, escaped.
func (e *answering) appendItemID(dst []byte, i int, kind translate.PartKind, free bool) []byte {
	dst = append(dst, formOf(&piece{kind: kind, free: free}).prefix...)
	dst = jsonx.AppendEscaped(dst, e.key())
	dst = append(append(dst, '_'), e.mark...)
	return jsonx.AppendInt(dst, int64(i))
}

// appendItem appends an item of the output as it stands.
func (e *answering) appendItem(dst []byte, i int, p *piece) []byte {
	dst = append(dst, `{"id":"`...)
	dst = e.appendItemID(dst, i, p.kind, p.free)
	dst = append(dst, `","type":"`...)
	status := "in_progress"
	switch {
	case p.over && p.cut:
		status = "incomplete"
	case p.over:
		status = "completed"
	}
	switch p.kind {
	case translate.PartText:
		dst = append(append(append(dst, `message","status":"`...), status...), `","role":"assistant","content":[`...)
		if p.over {
			dst = appendPart(dst, p.kind, p.text)
		}
		return append(dst, `]}`...)
	case translate.PartReasoning:
		dst = append(dst, `reasoning","summary":[`...)
		if p.over && len(p.text) > 0 {
			dst = appendPart(dst, p.kind, p.text)
		}
		dst = append(dst, ']')
		if p.over && len(p.sign) > 0 {
			dst = append(dst, `,"encrypted_content":`...)
			dst = jsonx.AppendString(dst, sealedOf(string(p.sign)))
		}
		return append(dst, '}')
	}
	return e.appendCall(dst, p, status)
}

func (e *answering) appendCall(dst []byte, p *piece, status string) []byte {
	of, text := `","arguments":`, p.text
	if p.free {
		dst = append(dst, `custom_tool_call","status":"`...)
		of, text = `","input":`, []byte(freeInput(string(p.text)))
	} else {
		dst = append(dst, `function_call","status":"`...)
	}
	if !p.over {
		text = nil
	}
	dst = append(append(dst, status...), of...)
	dst = jsonx.AppendString(dst, text)
	dst = append(dst, `,"call_id":`...)
	dst = jsonx.AppendString(dst, p.id)
	space, called := unspaced(e.spaces, p.name)
	if space != "" {
		dst = append(dst, `,"namespace":`...)
		dst = jsonx.AppendString(dst, space)
	}
	dst = append(dst, `,"name":`...)
	dst = jsonx.AppendString(dst, called)
	return append(dst, '}')
}

// appendPart appends the one part of a message or of a summary.
func appendPart(dst []byte, kind translate.PartKind, text []byte) []byte {
	if kind == translate.PartReasoning {
		dst = append(dst, `{"type":"summary_text","text":`...)
		return append(jsonx.AppendString(dst, text), '}')
	}
	dst = append(dst, `{"type":"output_text","annotations":[],"logprobs":[],"text":`...)
	return append(jsonx.AppendString(dst, text), '}')
}
