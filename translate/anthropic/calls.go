package anthropic

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// heldCall is a call that waits until the one before it is complete. Other
// dialects may interleave the pieces of several calls, this one may not.
type heldCall struct {
	index    int32
	id, name string
	args     []byte
}

// callStart opens a block for the call, or holds it back while the open call has
// not had all of its arguments.
func (e *encoder) callStart(dst []byte, ev translate.Event) []byte {
	c := heldCall{index: ev.Index, id: string(ev.ID), name: string(ev.Name)}
	if e.open == translate.KindToolStart && !e.args.complete() {
		e.held = append(e.held, c)
		return dst
	}
	return e.release(e.stopBlock(e.start(dst, nil, nil)), &c)
}

// release opens the block of c, with the arguments that it has so far.
func (e *encoder) release(dst []byte, c *heldCall) []byte {
	dst = e.beginNext(dst, translate.KindToolStart)
	e.call, e.args = c.index, balance{}
	dst = append(dst, `{"type":"tool_use","id":`...)
	dst = jsonx.AppendString(dst, c.id)
	dst = append(dst, `,"name":`...)
	dst = jsonx.AppendString(dst, c.name)
	dst = append(dst, ",\"input\":{}}}\n\n"...)
	return e.pieceOf(dst, c.args)
}

func (e *encoder) pieceOf(dst, args []byte) []byte {
	if len(args) == 0 {
		return dst
	}
	e.args.add(args)
	return e.piece(dst, args)
}

// callArgs appends a piece of the open call, or keeps it for the call that it
// belongs to. Pieces of a call that has ended are lost: that needs an upstream
// which goes on after the end of its own JSON.
func (e *encoder) callArgs(dst []byte, index int32, args []byte) []byte {
	for i := range e.held {
		if e.held[i].index == index {
			e.held[i].args = append(e.held[i].args, args...)
			return dst
		}
	}
	if e.open != translate.KindToolStart || e.call != index {
		return dst
	}
	dst = e.pieceOf(dst, args)
	for len(e.held) > 0 && e.args.complete() {
		c := e.held[0]
		e.held = e.held[1:]
		dst = e.release(e.stopBlock(dst), &c)
	}
	return dst
}

// balance follows pieces of JSON text and knows when one object is complete.
type balance struct {
	depth   int
	quoted  bool
	escaped bool
	begun   bool
}

func (b *balance) complete() bool { return b.begun && b.depth <= 0 && !b.quoted }

func (b *balance) add(piece []byte) {
	for _, c := range piece {
		switch {
		case b.escaped:
			b.escaped = false
		case b.quoted:
			b.escaped = c == '\\'
			b.quoted = c != '"'
		case c == '"':
			b.quoted, b.begun = true, true
		case c == '{' || c == '[':
			b.depth++
			b.begun = true
		case c == '}' || c == ']':
			b.depth--
		}
	}
}
