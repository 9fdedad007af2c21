package openai

import (
	"bytes"
	"math"
	"strconv"

	"github.com/valyala/fastjson"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what a decoder remembers of an answer's tool calls.
const (
	maxCalls = 1024
	maxHeld  = 1 << 20 // bytes of names, and of arguments that wait for one
	maxProof = 64 << 10
	waitID   = 4 << 10 // bytes of arguments for which a call without an id waits for one
)

// noIndex stands for the index of a call whose server gives none, olderIndex for that
// of the one call in the older form.
const (
	noIndex    = math.MinInt
	olderIndex = math.MinInt + 1
)

// noArgs are the arguments of a call without any. It is only read.
var noArgs = []byte("{}")

// call is a tool call as far as it is known. Servers send it in pieces, and not all of
// them as OpenAI does: names come late or in pieces, ids late or never, and every call
// may have the index 0. It begins, for those who read the events, when its name and its
// id are known and its arguments have begun, or when nothing more can come of those.
type call struct {
	index int // the server's
	id    string
	name  []byte
	held  []byte // arguments that wait for the beginning
	proof []byte // what the server wants back with it, until it has begun
	at    int32  // its place among those that have begun; negative: it has not
	list  int32  // the frame that named it last
	args  bool   // there are arguments, and it is clear what they are
	made  bool   // its id is one of ours
	json  extent // of the arguments
}

// piece is what one frame says of a call.
type piece struct {
	index    int
	id, name []byte
	args     []byte
	blank    bool // args are nothing or white space
	proof    []byte
}

// toolCalls appends the events of the pieces in v, a list or a single one.
func (d *decoder) toolCalls(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	if v == nil {
		return evs, nil
	}
	d.list++
	if v.Type() == fastjson.TypeObject {
		return d.add(evs, d.pieceOf(v))
	}
	for _, c := range v.GetArray() {
		if c.Type() != fastjson.TypeObject {
			continue
		}
		if c.Exists("custom") {
			d.Other = true // no arguments, but a text
			continue
		}
		var err error
		if evs, err = d.add(evs, d.pieceOf(c)); err != nil {
			return evs, err
		}
	}
	return evs, nil
}

// functionCall appends the events of the one call of an answer in the older form.
func (d *decoder) functionCall(evs []translate.Event, v *fastjson.Value) ([]translate.Event, error) {
	if v == nil || v.Type() != fastjson.TypeObject {
		return evs, nil
	}
	d.list++
	p := d.pieceOf(v)
	p.index = olderIndex
	return d.add(evs, p)
}

// pieceOf reads one element of tool_calls. The function's members may stand beside its
// id, and the arguments may be the object itself instead of its text.
func (d *decoder) pieceOf(v *fastjson.Value) piece {
	p := piece{index: noIndex, id: d.scalar(v.Get("id"))}
	switch i := v.Get("index"); {
	case i == nil:
	case i.Type() == fastjson.TypeNumber:
		p.index = i.GetInt()
	case i.Type() == fastjson.TypeString:
		if n, err := strconv.Atoi(string(i.GetStringBytes())); err == nil {
			p.index = n
		}
	}
	f := v.Get("function")
	if f == nil || f.Type() != fastjson.TypeObject {
		f = v
	}
	p.name = bytes.TrimSpace(f.GetStringBytes("name"))
	for _, key := range [...]string{"arguments", "parameters", "input"} {
		if p.args = d.argsOf(f.Get(key)); len(p.args) > 0 {
			break
		}
	}
	p.blank = len(bytes.TrimSpace(p.args)) == 0
	p.proof = d.proofOf(v)
	return p
}

// scalar returns a string, or the text of a number.
func (d *decoder) scalar(v *fastjson.Value) []byte {
	if v != nil && v.Type() == fastjson.TypeNumber {
		return d.marshal(v)
	}
	return v.GetStringBytes()
}

func (d *decoder) argsOf(v *fastjson.Value) []byte {
	if v == nil {
		return nil
	}
	switch v.Type() {
	case fastjson.TypeString:
		return v.GetStringBytes()
	case fastjson.TypeNull:
		return nil
	}
	return d.marshal(v)
}

// marshal returns the text of v in the decoder's own memory.
func (d *decoder) marshal(v *fastjson.Value) []byte {
	start := len(d.Scratch)
	d.Scratch = v.MarshalTo(d.Scratch)
	return d.Scratch[start:]
}

// add appends the events of p.
func (d *decoder) add(evs []translate.Event, p piece) ([]translate.Event, error) {
	c := d.owner(&p)
	if c != nil && len(p.id) > 0 && c.id == string(p.id) && d.sameName(c, p.name) && c.ended() && (!opens(p.args) || c.json.says(p.args)) {
		return evs, nil // said twice, or more than there is
	}
	if c == nil || d.another(c, &p) {
		if len(p.id) == 0 && len(p.name) == 0 && p.blank {
			return evs, nil // there is no call
		}
		if len(d.calls) >= maxCalls {
			return evs, translate.Broken("the model called too many tools", nil)
		}
		evs = d.beginEmpty(evs)
		d.calls = append(d.calls, call{index: p.index, at: -1})
		c = &d.calls[len(d.calls)-1]
		d.held++
	}
	if c.id == "" && len(p.id) > 0 {
		c.id = string(p.id)
	}
	if c.at >= 0 {
		return d.proved(c.more(evs, &p), c, p.proof), nil
	}
	if len(p.proof) > 0 {
		c.proof = append(c.proof[:0], p.proof...)
	}
	d.named(c, p.name)
	before := len(c.held)
	c.take(&p)
	if d.heldBytes += int32(len(p.name) + len(c.held) - before); d.heldBytes > maxHeld {
		return evs, translate.Broken("the model called a tool without a name", nil)
	}
	if len(c.name) > 0 && c.args && (c.id != "" || len(c.held) > waitID) {
		evs = d.begin(evs, c)
	}
	return evs, nil
}

// owner returns the newest call that p may belong to, nil if there is none.
func (d *decoder) owner(p *piece) *call {
	for i := len(d.calls) - 1; i >= 0; i-- {
		c := &d.calls[i]
		if p.index != noIndex && c.index == p.index {
			return c
		}
		if p.index == noIndex && len(p.id) > 0 && c.id == string(p.id) {
			return c
		}
	}
	if p.index == noIndex && len(d.calls) > 0 {
		return &d.calls[len(d.calls)-1]
	}
	return nil
}

// another reports whether p begins a call although it says that it belongs to c: some
// servers give every call the index 0, or none at all.
func (d *decoder) another(c *call, p *piece) bool {
	switch {
	case len(p.id) > 0 && c.id == string(p.id):
		// Some servers give all calls the same.
		return c.json.over && (!d.sameName(c, p.name) || c.ended() && opens(p.args))
	case len(p.name) == 0:
		return !p.blank && c.ended()
	case len(p.id) > 0 && c.id != "":
		return true
	case len(c.name) == 0:
		return c.json.over && !p.blank
	case c.json.over:
		return true
	case c.args: // which are not complete: the name is said again
		return !bytes.Equal(c.name, p.name)
	case c.list == d.list:
		return true
	}
	// A part of the name, which the official clients join, or a call without arguments.
	return !bytes.Equal(c.name, p.name) && d.offered(string(c.name)) && d.offered(string(p.name)) && !d.offered(string(c.name)+string(p.name))
}

// ended reports whether all arguments of c have come.
func (c *call) ended() bool { return c.args && c.json.over }

// opens reports whether args are the beginning of an object: models put more than enough
// behind the end of one.
func opens(args []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(args, " \t\r\n"), []byte("{")) }

// sameName reports whether name may be that of c.
func (d *decoder) sameName(c *call, name []byte) bool {
	return len(name) == 0 || len(c.name) == 0 || bytes.Equal(c.name, name)
}

// offered reports whether the client offered a tool of this name.
func (d *decoder) offered(name string) bool {
	for i := range d.tools {
		if d.tools[i].Name == name {
			return true
		}
	}
	return false
}

// named adds a piece to the name of c, unless it is the whole name again.
func (d *decoder) named(c *call, name []byte) {
	if len(name) == 0 || len(c.name) > 0 && (c.args || bytes.Equal(c.name, name) && !d.offered(string(c.name)+string(name))) {
		return
	}
	c.name = append(c.name, name...)
	c.list = d.list
}

// take keeps arguments of a call that has not begun.
func (c *call) take(p *piece) {
	if !c.args && !p.blank && translate.Replaced(c.held) {
		c.held, c.json = c.held[:0], extent{}
	}
	c.held = append(c.held, p.args...)
	c.json.feed(p.args)
	c.args = c.args || !translate.Unsettled(c.held)
}

// more appends a piece of the arguments of a call that has begun.
func (c *call) more(evs []translate.Event, p *piece) []translate.Event {
	if len(p.args) == 0 {
		return evs
	}
	c.json.feed(p.args)
	c.args = c.args || !p.blank
	return append(evs, translate.Event{Kind: translate.KindToolArgs, Index: c.at, Text: p.args})
}

// begin appends the start of c and what of its arguments has come.
func (d *decoder) begin(evs []translate.Event, c *call) []translate.Event {
	c.at = d.begun
	d.begun++
	d.held--
	d.heldBytes -= int32(len(c.held))
	c.made = c.id == "" || d.given.Given([]byte(c.id))
	evs = append(evs, translate.Event{Kind: translate.KindToolStart, Index: c.at, ID: d.idOf(c), Name: d.copied(d.nameOf(c.name))})
	held := translate.Arguments(c.held)
	if len(held) == 0 && c.args {
		held = noArgs
	}
	if len(held) > 0 {
		c.args = true
		evs = append(evs, translate.Event{Kind: translate.KindToolArgs, Index: c.at, Text: held})
	}
	c.held = nil // the event's now
	return d.proved(evs, c, c.proof)
}

// beginEmpty appends the starts of the calls that are whole but for arguments of which it is not
// clear whether they were all: another call follows, whose place is behind them, or the reason of the end.
func (d *decoder) beginEmpty(evs []translate.Event) []translate.Event {
	for i := range d.calls {
		if c := &d.calls[i]; d.held > 0 && c.at < 0 && c.id != "" && len(c.name) > 0 && len(bytes.TrimSpace(c.held)) > 0 {
			c.args = true
			evs = d.begin(evs, c)
		}
	}
	return evs
}

// proofOf returns the members of a call that its server wants back, in the decoder's memory.
func (d *decoder) proofOf(v *fastjson.Value) []byte {
	start := len(d.Scratch)
	for _, key := range translate.ProofMembers() {
		e := v.Get(key)
		if e == nil || e.Type() == fastjson.TypeNull {
			continue
		}
		if len(d.Scratch) > start {
			d.Scratch = append(d.Scratch, ',')
		}
		d.Scratch = append(append(append(d.Scratch, '"'), key...), `":`...)
		d.Scratch = e.MarshalTo(d.Scratch)
	}
	if len(d.Scratch)-start > maxProof {
		return nil
	}
	return d.Scratch[start:]
}

// proved appends the proof of a call that has begun, if there is one. A client that the
// answer passes through to has it.
func (d *decoder) proved(evs []translate.Event, c *call, proof []byte) []translate.Event {
	if len(proof) == 0 || d.Pass {
		return evs
	}
	return append(evs, translate.Event{Kind: translate.KindToolProof, Index: c.at, ID: d.idOf(c), Text: proof})
}

// nameOf is the client's name of a tool.
func (d *decoder) nameOf(told []byte) string {
	if long, ok := d.long[string(told)]; ok && !d.Pass {
		return long
	}
	return string(told)
}

// beginAll appends the starts of the calls whose names are known: what follows is not
// part of them.
func (d *decoder) beginAll(evs []translate.Event) []translate.Event {
	for i := range d.calls {
		if c := &d.calls[i]; d.held > 0 && c.at < 0 && len(c.name) > 0 {
			evs = d.begin(evs, c)
		}
	}
	return evs
}

// endCalls appends what is missing of the calls at the end of the answer. Those that
// nobody named are none. Clients parse the arguments, and no text at all is not JSON.
func (d *decoder) endCalls(evs []translate.Event) []translate.Event {
	evs = d.beginAll(evs)
	for i := range d.calls {
		if c := &d.calls[i]; c.at >= 0 && !c.args {
			evs = append(evs, translate.Event{Kind: translate.KindToolArgs, Index: c.at, Text: noArgs})
		}
	}
	return evs
}

// idOf is the id of a call that has begun: the server's, or one that is made where that gave none,
// or gave it to another call.
func (d *decoder) idOf(c *call) []byte {
	if c.made {
		return d.makeID(int(c.at))
	}
	return d.copied(c.id)
}

func (d *decoder) copied(s string) []byte {
	start := len(d.Scratch)
	d.Scratch = append(d.Scratch, s...)
	return d.Scratch[start:]
}

// makeID makes the id of a call whose server gave none.
func (d *decoder) makeID(n int) []byte {
	start := len(d.Scratch)
	d.Scratch = append(d.Scratch, "call_"...)
	d.Scratch = append(d.Scratch, d.ids...)
	d.Scratch = append(d.Scratch, '_')
	d.Scratch = strconv.AppendInt(d.Scratch, int64(n), 10)
	return d.Scratch[start:]
}
