package translate

import "strings"

// Answer is a whole answer, built by adding the events of a stream. It owns
// everything in it.
type Answer struct {
	ID       string
	Model    string // the upstream's name of the model that answered
	Parts    []Part // in the order in which the model produced them
	Finish   Finish
	Sequence string // FinishSequence: which one
	Keyword  string
	Usage    Usage
	Other    bool // it had content that has no form here, see [KindOther]

	text  []byte // of the last part, while it grows
	sign  []byte // its signature
	calls []called
	size  int
}

// MaxAnswer is how long an answer may be that is held in memory as a whole, in bytes:
// the body of one in one piece, and [Answer.Size] of one that is collected.
const MaxAnswer = 32 << 20

// partSize is what a part takes besides its text.
const partSize = 256

// Size is how much memory a takes, in bytes, as near as matters: text, arguments,
// signatures and names, and 256 for each part.
func (a *Answer) Size() int { return a.size + partSize*len(a.Parts) }

// called is a tool's call, whose arguments may grow while those of others do.
type called struct {
	part int
	args []byte
}

// Add adds ev. It copies what it keeps.
func (a *Answer) Add(ev Event) {
	switch ev.Kind {
	case KindStart:
		if len(ev.ID) > 0 {
			a.ID = string(ev.ID)
		}
		if len(ev.Name) > 0 {
			a.Model = string(ev.Name)
		}
		a.Usage.Merge(ev.Usage)
	case KindText:
		a.size += len(ev.Text)
		a.grow(PartText, ev.Text)
	case KindReasoning:
		a.size += len(ev.Text)
		a.grow(PartReasoning, ev.Text)
	case KindSignature:
		a.size += len(ev.Text)
		a.signed(ev.Text)
	case KindToolStart:
		a.size += len(ev.ID) + len(ev.Name)
		a.settle()
		a.calls = append(a.calls, called{part: len(a.Parts)})
		a.Parts = append(a.Parts, Part{Kind: PartToolCall, ID: string(ev.ID), Name: string(ev.Name)})
	case KindToolArgs:
		if i := int(ev.Index); i >= 0 && i < len(a.calls) {
			a.size += len(ev.Text)
			a.calls[i].args = append(a.calls[i].args, ev.Text...)
		}
	case KindKeyword:
		a.Keyword = string(ev.Text)
	case KindOther:
		a.Other = true
	case KindUsage:
		a.Usage.Merge(ev.Usage)
	case KindFinish:
		a.Settle()
		a.Finish = ev.Finish
		a.Sequence = string(ev.Text)
		a.Usage.Merge(ev.Usage)
	}
}

// grow appends to the last part if it is of kind k, else begins one.
func (a *Answer) grow(k PartKind, text []byte) {
	if len(text) == 0 {
		return
	}
	n := len(a.Parts)
	if n == 0 || a.Parts[n-1].Kind != k || k == PartReasoning && (a.Parts[n-1].Signature != "" || len(a.sign) > 0) {
		a.settle()
		a.Parts = append(a.Parts, Part{Kind: k, Text: string(text)}) // all of it, if the answer comes in one piece
		return
	}
	last := &a.Parts[n-1]
	a.text = append(append(a.text, last.Text...), text...)
	last.Text = ""
}

// signed appends to the signature of the last part, or of a new one where that is no
// reasoning.
func (a *Answer) signed(signature []byte) {
	if n := len(a.Parts); n == 0 || a.Parts[n-1].Kind != PartReasoning {
		a.settle()
		a.Parts = append(a.Parts, Part{Kind: PartReasoning})
	}
	a.sign = append(a.sign, signature...)
}

// settle gives the last part what was collected for it.
func (a *Answer) settle() {
	if len(a.text) > 0 {
		a.Parts[len(a.Parts)-1].Text += string(a.text)
		a.text = a.text[:0]
	}
	if len(a.sign) > 0 {
		a.Parts[len(a.Parts)-1].Signature += string(a.sign)
		a.sign = a.sign[:0]
	}
}

// Settle completes the parts of an answer that broke off: what was collected so
// far is then in Parts. It is not needed after KindFinish.
func (a *Answer) Settle() {
	a.settle()
	for i := range a.calls {
		if c := &a.calls[i]; len(c.args) > 0 {
			a.Parts[c.part].Args += string(c.args)
			c.args = nil
		}
	}
}

// Text returns the text parts, joined.
func (a *Answer) Text() string { return a.join(PartText) }

// Reasoning returns the reasoning parts, joined.
func (a *Answer) Reasoning() string { return a.join(PartReasoning) }

func (a *Answer) join(k PartKind) string {
	n, size, first := 0, 0, ""
	for i := range a.Parts {
		if a.Parts[i].Kind == k {
			if n++; n == 1 {
				first = a.Parts[i].Text
			}
			size += len(a.Parts[i].Text)
		}
	}
	if n < 2 {
		return first
	}
	var b strings.Builder
	b.Grow(size)
	for i := range a.Parts {
		if a.Parts[i].Kind == k {
			b.WriteString(a.Parts[i].Text)
		}
	}
	return b.String()
}

// Empty reports whether the answer has no content at all.
func (a *Answer) Empty() bool {
	for i := range a.Parts {
		if p := &a.Parts[i]; p.Kind == PartToolCall || p.Text != "" {
			return false
		}
	}
	return len(a.text) == 0 && !a.Other
}

// Message returns the answer as a message of the assistant.
func (a *Answer) Message() Message { return Message{Role: RoleAssistant, Parts: a.Parts} }

// Events yields the events that make up a, which must be settled: each part is one
// piece, and there is no finish for an answer that broke off. They are the caller's
// own.
func (a *Answer) Events(yield func(Event) bool) {
	start := Event{Kind: KindStart, ID: []byte(a.ID), Name: []byte(a.Model), Usage: Usage{Input: a.Usage.Input, CacheRead: a.Usage.CacheRead, CacheWrite: a.Usage.CacheWrite}}
	if !yield(start) || a.Keyword != "" && !yield(Event{Kind: KindKeyword, Text: []byte(a.Keyword)}) {
		return
	}
	calls := int32(0)
	for i := range a.Parts {
		for _, ev := range a.Parts[i].events(calls) {
			if !yield(ev) {
				return
			}
		}
		if a.Parts[i].Kind == PartToolCall {
			calls++
		}
	}
	if a.Finish != 0 {
		yield(Event{Kind: KindFinish, Finish: a.Finish, Text: []byte(a.Sequence), Usage: a.Usage})
	}
}

// events are those of one part; call is the number of a tool's call.
func (p *Part) events(call int32) (all []Event) {
	switch p.Kind {
	case PartText:
		all = append(all, Event{Kind: KindText, Text: []byte(p.Text)})
	case PartReasoning:
		if p.Text != "" {
			all = append(all, Event{Kind: KindReasoning, Text: []byte(p.Text)})
		}
		if p.Signature != "" {
			all = append(all, Event{Kind: KindSignature, Text: []byte(p.Signature)})
		}
	case PartToolCall:
		all = append(all, Event{Kind: KindToolStart, Index: call, ID: []byte(p.ID), Name: []byte(p.Name)}, Event{Kind: KindToolArgs, Index: call, Text: []byte(p.Args)})
	}
	return all
}
