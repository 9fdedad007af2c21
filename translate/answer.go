package translate

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

	text []byte // of the last part, while it grows
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
		a.grow(PartText, ev.Text)
	case KindReasoning:
		a.grow(PartReasoning, ev.Text)
	case KindSignature:
		a.sign(ev.Text)
	case KindToolStart:
		a.settle()
		a.Parts = append(a.Parts, Part{Kind: PartToolCall, ID: string(ev.ID), Name: string(ev.Name)})
	case KindToolArgs:
		a.addArgs(ev)
	case KindKeyword:
		a.Keyword = string(ev.Text)
	case KindUsage:
		a.Usage.Merge(ev.Usage)
	case KindFinish:
		a.settle()
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
	if n == 0 || a.Parts[n-1].Kind != k || (k == PartReasoning && a.Parts[n-1].Signature != "") {
		a.settle()
		a.Parts = append(a.Parts, Part{Kind: k})
	}
	a.text = append(a.text, text...)
}

// settle gives the last part the text that was collected for it.
func (a *Answer) settle() {
	if len(a.text) == 0 {
		return
	}
	p := &a.Parts[len(a.Parts)-1]
	if p.Kind == PartToolCall {
		p.Args += string(a.text)
	} else {
		p.Text += string(a.text)
	}
	a.text = a.text[:0]
}

func (a *Answer) sign(signature []byte) {
	a.settle()
	if n := len(a.Parts); n > 0 && a.Parts[n-1].Kind == PartReasoning {
		a.Parts[n-1].Signature += string(signature)
		return
	}
	a.Parts = append(a.Parts, Part{Kind: PartReasoning, Signature: string(signature)})
}

// addArgs appends to the call ev.Index. Calls may be interleaved, so only the
// last part collects; any other is extended at once.
func (a *Answer) addArgs(ev Event) {
	at, call := -1, int32(-1)
	for i := range a.Parts {
		if a.Parts[i].Kind != PartToolCall {
			continue
		}
		if call++; call == ev.Index {
			at = i
		}
	}
	switch {
	case at < 0:
	case at == len(a.Parts)-1:
		a.text = append(a.text, ev.Text...)
	default:
		a.Parts[at].Args += string(ev.Text)
	}
}

// Settle completes the parts of an answer that broke off: what was collected so
// far is then in Parts. It is not needed after KindFinish.
func (a *Answer) Settle() { a.settle() }

// Text returns the text parts, joined.
func (a *Answer) Text() string { return a.join(PartText) }

// Reasoning returns the reasoning parts, joined.
func (a *Answer) Reasoning() string { return a.join(PartReasoning) }

func (a *Answer) join(k PartKind) string {
	s := ""
	for i := range a.Parts {
		if a.Parts[i].Kind == k {
			s += a.Parts[i].Text
		}
	}
	return s
}

// Empty reports whether the answer has no content at all.
func (a *Answer) Empty() bool {
	for i := range a.Parts {
		if p := &a.Parts[i]; p.Kind == PartToolCall || p.Text != "" {
			return false
		}
	}
	return len(a.text) == 0
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
