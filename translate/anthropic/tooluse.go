package anthropic

import (
	"bytes"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// callStart begins a call. One without a name is none: nobody could run it.
func (d *decoder) callStart(evs []translate.Event, block int, v *fastjson.Value) ([]translate.Event, error) {
	name := bytes.TrimSpace(v.GetStringBytes("name"))
	if len(name) == 0 {
		return evs, nil
	}
	id := v.GetStringBytes("id")
	if before := d.callOf(block); before >= 0 {
		if len(id) > 0 && bytes.Equal(id, d.calls[before].id) {
			return evs, nil // its beginning was told twice
		}
		evs = d.complete(evs, before) // nothing can name it any more
	}
	if own, ok := d.renamed[string(name)]; ok {
		name = []byte(own)
	}
	n := len(d.calls)
	if n >= maxCalls {
		return evs, translate.Broken("the model called too many tools", nil)
	}
	d.calls = append(d.calls, call{block: block, id: bytes.Clone(id)})
	evs = append(evs, translate.Event{Kind: translate.KindToolStart, Index: int32(n), ID: d.callID(id, n), Name: name})
	// Some servers give the whole input here, instead of in pieces or besides.
	d.calls[n].input = inputText(v.Get("input"))
	return evs, nil
}

// callArgs appends a piece of the input of the nth call, or keeps it while it is not clear what
// that is.
func (d *decoder) callArgs(evs []translate.Event, n int, piece []byte) []translate.Event {
	if n < 0 || len(piece) == 0 {
		return evs
	}
	c := &d.calls[n]
	switch {
	case c.args:
	case translate.Replaced(piece):
		return evs // the input of the beginning, and later pieces, outweigh it
	case translate.Unsettled(piece) || len(c.quoted) > 0:
		if c.quoted = append(c.quoted, piece...); translate.Unsettled(c.quoted) {
			return evs
		}
		piece = c.quoted
	}
	c.args, c.input, c.quoted = true, nil, nil
	return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: int32(n), Text: piece})
}

// callID is the id of the nth call: the server's, or one made of the answer's where it gave none,
// or gave it to another call.
func (d *decoder) callID(id []byte, n int) []byte {
	if len(id) > 0 && !d.given.Given(id) {
		return id
	}
	start := len(d.Scratch)
	d.Scratch = append(append(d.Scratch, "toolu_"...), d.id...)
	d.Scratch = jsonx.AppendInt(append(d.Scratch, '_'), int64(n))
	return d.Scratch[start:]
}

// inputText is an input as JSON text, which some servers give as text already; nil: it is
// none, or empty.
func inputText(v *fastjson.Value) []byte {
	if v == nil {
		return nil
	}
	switch v.Type() {
	case fastjson.TypeObject:
		if v.GetObject().Len() > 0 {
			return v.MarshalTo(nil)
		}
	case fastjson.TypeString:
		if text := bytes.TrimSpace(translate.Arguments(v.GetStringBytes())); len(text) > 0 && text[0] == '{' {
			return bytes.Clone(text)
		}
	}
	return nil
}

// partial is a piece of an input, which is a text, or from some servers the input itself.
func (d *decoder) partial(v *fastjson.Value) []byte {
	if v == nil || v.Type() != fastjson.TypeObject {
		return v.GetStringBytes()
	}
	start := len(d.Scratch)
	d.Scratch = v.MarshalTo(d.Scratch)
	return d.Scratch[start:]
}

// callOf returns which call a block is, -1 for none.
func (d *decoder) callOf(block int) int {
	for i := len(d.calls) - 1; i >= 0; i-- {
		if d.calls[i].block == block {
			return i
		}
	}
	return -1
}

// blockStop gives a call whose pieces never came the input of its beginning, else the empty
// object that this dialect does not send: clients of other dialects parse the pieces.
func (d *decoder) blockStop(evs []translate.Event, block int) []translate.Event {
	if n := d.callOf(block); n >= 0 {
		return d.complete(evs, n)
	}
	return evs
}

func (d *decoder) complete(evs []translate.Event, n int) []translate.Event {
	c := &d.calls[n]
	if c.args {
		return evs
	}
	args := c.input
	if whole := translate.Arguments(c.quoted); len(whole) > 0 {
		args = whole
	}
	if len(args) == 0 {
		args = noArgs
	}
	c.args, c.input, c.quoted = true, nil, nil
	return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: int32(n), Text: args})
}

// noArgs are the arguments of a call without any. It is only read.
var noArgs = []byte("{}")

// flush completes the calls whose own end has not come, where another block or the end of
// the answer has.
func (d *decoder) flush(evs []translate.Event) []translate.Event {
	for n := range d.calls {
		evs = d.complete(evs, n)
	}
	return evs
}
