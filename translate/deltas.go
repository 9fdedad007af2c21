package translate

import "github.com/dragoman-gateway/dragoman/internal/jsonx"

// Deltas is what decoders of streams of JSON share. Nearly all frames of an answer differ
// from the one before in nothing but a piece of text: such a frame is compared with the last
// one that was learnt, and not parsed. A decoder embeds a Deltas; the zero value has learnt
// no frame. One goroutine uses it.
type Deltas struct {
	// Parser reads what is not like the frame that was learnt.
	Parser jsonx.Parser
	// Scratch is memory that the events of one frame alias.
	Scratch []byte
	// Pass: the answer passes through, so that every frame must give an event.
	Pass bool
	// Other: the frame has content that has no form here.
	Other bool
	// Apart: the answer has such content, which is of the model and none of its thoughts: an image, sound.
	Apart bool

	learnt Kind // what the piece of the learnt frame is
}

// UseArena implements [ArenaUser].
func (d *Deltas) UseArena(a *jsonx.Arena) { d.Parser.UseArena(a) }

// Begin makes d ready for a frame. The events of the one before are not valid any more.
func (d *Deltas) Begin() { d.Other, d.Scratch = false, d.Scratch[:0] }

// Given is the reason of the end of an answer whose server gave one.
func (d *Deltas) Given() Reason {
	if d.Apart && !d.Pass {
		return ReasonApart
	}
	return ReasonGiven
}

// Match appends the event of a frame that is like the one learnt; none where its piece of
// text is empty. ok is false for any other frame.
func (d *Deltas) Match(evs []Event, frame []byte) (out []Event, ok bool) {
	piece, grown, ok := d.Parser.Match(frame, d.Scratch)
	if !ok {
		return evs, false
	}
	d.Scratch = grown
	return AppendPiece(evs, d.learnt, piece), true
}

// Learn remembers a parsed frame, if evs, which is all that it said, is one piece of text or
// of reasoning. text and reasoning are the names of the members that hold such pieces.
func (d *Deltas) Learn(evs []Event, frame []byte, text, reasoning string) {
	if len(evs) != 1 {
		return
	}
	key := text
	switch evs[0].Kind {
	case KindText:
	case KindReasoning:
		key = reasoning
	default:
		return
	}
	d.learnt = evs[0].Kind
	d.Parser.Learn(frame, key, evs[0].Text)
}

// Passed appends what a frame of a passed-through answer must say beside its events, which are
// those from before on: that it has other content, or that it means nothing.
func (d *Deltas) Passed(evs []Event, before int) []Event {
	switch {
	case !d.Pass:
		return evs
	case d.Other:
		return append(evs, Event{Kind: KindOther})
	case len(evs) == before:
		return append(evs, Event{Kind: KindOpaque})
	}
	return evs
}

// AppendPiece appends an event of kind k with a piece of text, unless that is empty.
func AppendPiece(evs []Event, k Kind, piece []byte) []Event {
	if len(piece) == 0 {
		return evs
	}
	return append(evs, Event{Kind: k, Text: piece})
}
