package anthropic

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// encoder writes one answer to a client. The vendor's stream is a sequence of
// blocks, one open at a time: clients attach a piece to the newest block.
type encoder struct {
	envelope translate.Envelope
	model    string // asked for; the answer says which one answered
	started  bool
	usage    translate.Usage
	finish   translate.Finish
	stop     []byte // FinishSequence: which sequence

	open   translate.Kind // kind of the content of the open block; 0: none is open
	block  int64          // index of the open block, or of the next one
	signed bool           // the open block is thinking and has a signature
	call   int32          // the open block is this call
	args   balance        // of the open call
	runes  jsonx.Runes    // of the open block
	held   []heldBlock    // what came before the open call had ended
}

// NewEncoder returns an encoder for one answer to req.
func (codec) NewEncoder(req *translate.Request, h translate.Envelope) translate.Encoder {
	return &encoder{envelope: h, model: req.Model}
}

// Append appends the events of the wire for ev. The end is held for AppendTail,
// since the usage that belongs to it may come after KindFinish.
func (e *encoder) Append(dst []byte, ev translate.Event) []byte {
	switch ev.Kind {
	case translate.KindStart:
		e.usage.Merge(ev.Usage)
		return e.start(dst, ev.ID, ev.Name)
	case translate.KindText, translate.KindReasoning, translate.KindSignature:
		if e.calling() {
			e.hold(ev)
			return dst
		}
		return e.content(dst, ev.Kind, ev.Text)
	case translate.KindToolStart:
		return e.callStart(dst, ev)
	case translate.KindToolArgs:
		return e.callArgs(dst, ev.Index, ev.Text)
	case translate.KindUsage:
		e.usage.Merge(ev.Usage)
	case translate.KindFinish:
		e.usage.Merge(ev.Usage)
		e.finish = ev.Finish
		e.stop = append(e.stop[:0], ev.Text...)
		return e.close(e.start(dst, nil, nil))
	}
	return dst
}

// content appends a piece of what is no call.
func (e *encoder) content(dst []byte, k translate.Kind, piece []byte) []byte {
	switch k {
	case translate.KindText:
		return e.text(dst, piece)
	case translate.KindReasoning:
		return e.thought(dst, piece)
	}
	return e.signature(dst, piece)
}

// start appends message_start, once.
func (e *encoder) start(dst, id, model []byte) []byte {
	if e.started {
		return dst
	}
	e.started = true
	if len(model) > 0 {
		e.model = string(model)
	}
	e.envelope.SettleID(string(id))
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
	dst = e.appendEnvelope(dst)
	dst = append(dst, `,"content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
	dst = appendUsage(dst, e.usage)
	return append(dst, "}}\n\n"...)
}

func (e *encoder) appendEnvelope(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonx.AppendString(dst, e.envelope.ID)
	dst = append(dst, `,"type":"message","role":"assistant","model":`...)
	return jsonx.AppendString(dst, e.model)
}

// appendUsage counts the input as the vendor does: without what a cache holds.
func appendUsage(dst []byte, u translate.Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = jsonx.AppendInt(dst, max(0, u.Input-u.CacheRead-u.CacheWrite))
	dst = append(dst, `,"cache_creation_input_tokens":`...)
	dst = jsonx.AppendInt(dst, u.CacheWrite)
	dst = append(dst, `,"cache_read_input_tokens":`...)
	dst = jsonx.AppendInt(dst, u.CacheRead)
	dst = append(dst, `,"output_tokens":`...)
	dst = jsonx.AppendInt(dst, u.Output)
	return append(dst, '}')
}

// begin closes the open block and appends the front of the start of a new one,
// up to its content_block.
func (e *encoder) begin(dst []byte, k translate.Kind) []byte {
	dst = e.close(e.start(dst, nil, nil))
	return e.beginNext(dst, k)
}

func (e *encoder) beginNext(dst []byte, k translate.Kind) []byte {
	e.open, e.signed = k, false
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	dst = jsonx.AppendInt(dst, e.block)
	return append(dst, `,"content_block":`...)
}

// stopBlock appends the end of the open block.
func (e *encoder) stopBlock(dst []byte) []byte {
	if e.open == 0 {
		return dst
	}
	if rest := e.runes.Rest(); len(rest) > 0 {
		dst = e.delta(dst, frontOf(e.open), rest)
	}
	e.open = 0
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	dst = jsonx.AppendInt(dst, e.block)
	e.block++
	return append(dst, "}\n\n"...)
}

// close ends the open block and everything that waited for its end.
func (e *encoder) close(dst []byte) []byte {
	dst = e.stopBlock(dst)
	held := e.held
	e.held = nil
	for i := range held {
		dst = e.stopBlock(e.release(dst, &held[i]))
	}
	return dst
}

// delta appends one piece of the open block; front is the delta's JSON up to the
// piece.
func (e *encoder) delta(dst []byte, front string, piece []byte) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = jsonx.AppendInt(dst, e.block)
	dst = append(dst, front...)
	dst = jsonx.AppendEscaped(dst, piece)
	return append(dst, "\"}}\n\n"...)
}

// piece appends a piece of the open block but for a rune at its end that is not
// complete, which waits for the next piece or the end of the block.
func (e *encoder) piece(dst, piece []byte) []byte {
	if piece = e.runes.Next(piece); len(piece) == 0 {
		return dst
	}
	return e.delta(dst, frontOf(e.open), piece)
}

// frontOf returns the JSON of a delta up to its piece.
func frontOf(k translate.Kind) string {
	switch k {
	case translate.KindText:
		return `,"delta":{"type":"text_delta","text":"`
	case translate.KindReasoning:
		return `,"delta":{"type":"thinking_delta","thinking":"`
	}
	return `,"delta":{"type":"input_json_delta","partial_json":"`
}

func (e *encoder) text(dst, piece []byte) []byte {
	if len(piece) == 0 {
		return dst
	}
	if e.open != translate.KindText {
		dst = e.begin(dst, translate.KindText)
		dst = append(dst, "{\"type\":\"text\",\"text\":\"\"}}\n\n"...)
	}
	return e.piece(dst, piece)
}

func (e *encoder) thinking(dst []byte) []byte {
	dst = e.begin(dst, translate.KindReasoning)
	return append(dst, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"...)
}

func (e *encoder) thought(dst, piece []byte) []byte {
	if len(piece) == 0 {
		return dst
	}
	if e.open != translate.KindReasoning || e.signed {
		dst = e.thinking(dst)
	}
	return e.piece(dst, piece)
}

// signature appends what the pieces of a signature stand for, see the marks.
func (e *encoder) signature(dst, text []byte) []byte {
	for len(text) > 0 {
		mark, piece, rest := nextSignature(text)
		text = rest
		if mark == markRedacted {
			dst = e.begin(dst, translate.KindSignature)
			dst = append(dst, `{"type":"redacted_thinking","data":`...)
			dst = jsonx.AppendString(dst, piece)
			dst = append(dst, "}}\n\n"...)
			dst = e.stopBlock(dst)
			continue
		}
		if e.open != translate.KindReasoning || mark == markThinking {
			dst = e.thinking(dst)
		}
		e.signed = true
		dst = e.delta(dst, `,"delta":{"type":"signature_delta","signature":"`, piece)
	}
	return dst
}

// AppendTail appends the end of the message: its reason, the final usage, and
// message_stop.
func (e *encoder) AppendTail(dst []byte) []byte {
	dst = e.close(e.start(dst, nil, nil))
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"...)
	dst = appendStop(dst, e.finish, e.stop)
	dst = append(dst, `},"usage":`...)
	dst = appendUsage(dst, e.usage)
	return append(dst, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

func appendStop[T string | []byte](dst []byte, f translate.Finish, sequence T) []byte {
	dst = append(dst, `"stop_reason":"`...)
	dst = append(dst, reasonOf(f)...)
	dst = append(dst, `","stop_sequence":`...)
	if f != translate.FinishSequence {
		return append(dst, `null`...)
	}
	return jsonx.AppendString(dst, sequence)
}

func reasonOf(f translate.Finish) string {
	switch f {
	case translate.FinishLength:
		return "max_tokens"
	case translate.FinishTool:
		return "tool_use"
	case translate.FinishFilter:
		return "refusal"
	case translate.FinishSequence:
		return "stop_sequence"
	case translate.FinishPause:
		return "pause_turn"
	}
	return "end_turn"
}

// AppendWhole appends a as one message object.
func (e *encoder) AppendWhole(dst []byte, a *translate.Answer) []byte {
	if a.Model != "" {
		e.model = a.Model
	}
	e.envelope.SettleID(a.ID)
	dst = e.appendEnvelope(dst)
	dst = append(dst, `,"content":[`...)
	start := len(dst)
	for i := range a.Parts {
		dst = appendPart(dst, &a.Parts[i])
	}
	dst = jsonx.CloseList(dst, start)
	dst = append(dst, ',')
	dst = appendStop(dst, a.Finish, a.Sequence)
	dst = append(dst, `,"usage":`...)
	dst = appendUsage(dst, a.Usage)
	return append(dst, '}')
}

// appendPart appends the blocks of one part of an answer. Reasoning without a
// signature stays: the client may show it, and it is left out again when it
// comes back.
func appendPart(dst []byte, p *translate.Part) []byte {
	switch p.Kind {
	case translate.PartText:
		if p.Text != "" {
			return appendText(dst, p.Text, nil)
		}
	case translate.PartReasoning:
		return appendThinking(dst, p)
	case translate.PartToolCall:
		dst = append(dst, `{"type":"tool_use","id":`...)
		dst = jsonx.AppendString(dst, p.ID)
		dst = append(dst, `,"name":`...)
		dst = jsonx.AppendString(dst, p.Name)
		dst = append(dst, `,"input":`...)
		dst = translate.AppendArgs(dst, p.Args)
		return append(dst, `},`...)
	}
	return dst
}
