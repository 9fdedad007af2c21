package anthropic

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// heldBlock is a call, or a piece of a text or a thought, that waits until the call before it
// is complete. Other dialects may interleave the pieces of several calls and say something
// amid them, this one may not.
type heldBlock struct {
	kind     translate.Kind
	index    int32
	id, name string
	said     []byte // KindToolStart: its arguments
}

// calling reports whether what comes has to wait for the end of a call.
func (e *encoder) calling() bool { return e.open == translate.KindToolStart && !e.args.complete() }

// hold keeps ev for the time behind the open call.
func (e *encoder) hold(ev translate.Event) {
	if n := len(e.held) - 1; n >= 0 && e.held[n].kind == ev.Kind && ev.Kind != translate.KindSignature {
		e.held[n].said = append(e.held[n].said, ev.Text...)
		return
	}
	e.held = append(e.held, heldBlock{kind: ev.Kind, said: append([]byte(nil), ev.Text...)})
}

// callStart opens a block for the call, or holds it back while the open call has
// not had all of its arguments.
func (e *encoder) callStart(dst []byte, ev translate.Event) []byte {
	c := heldBlock{kind: ev.Kind, index: ev.Index, id: string(ev.ID), name: string(ev.Name)}
	if e.calling() {
		e.held = append(e.held, c)
		return dst
	}
	return e.release(e.stopBlock(e.start(dst, nil, nil)), &c)
}

// release appends what was held: the block of a call, with the arguments that it has so
// far, or what was said behind one.
func (e *encoder) release(dst []byte, c *heldBlock) []byte {
	if c.kind != translate.KindToolStart {
		return e.content(dst, c.kind, c.said)
	}
	dst = e.beginNext(dst, translate.KindToolStart)
	e.call, e.args = c.index, balance{}
	dst = append(dst, `{"type":"tool_use","id":`...)
	dst = jsonx.AppendString(dst, c.id)
	dst = append(dst, `,"name":`...)
	dst = jsonx.AppendString(dst, c.name)
	dst = append(dst, ",\"input\":{}}}\n\n"...)
	return e.pieceOf(dst, c.said)
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
		if c := &e.held[i]; c.kind == translate.KindToolStart && c.index == index {
			c.said = append(c.said, args...)
			return dst
		}
	}
	if e.open != translate.KindToolStart || e.call != index {
		return dst
	}
	dst = e.pieceOf(dst, args)
	if e.calling() {
		return dst
	}
	held := e.held
	e.held = nil
	for i := range held {
		if e.calling() {
			e.held = append(e.held, held[i:]...)
			break
		}
		dst = e.release(e.endOf(dst, held[i].kind), &held[i])
	}
	return dst
}

// endOf ends the open block where one of another kind follows, which has its own beginning.
func (e *encoder) endOf(dst []byte, next translate.Kind) []byte {
	if next == translate.KindToolStart {
		return e.stopBlock(dst)
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
