package translate

import (
	"cmp"
	"math"
	"strconv"

	"github.com/valyala/fastjson"
)

// Kind says what an [Event] is and which of its fields are set.
type Kind uint8

// The kinds of events. Content is text, reasoning or a tool call; the first
// content, or a valid end, is the commit point of an answer.
const (
	KindStart     Kind = iota + 1 // ID, Name, Usage if it is known already
	KindText                      // Text
	KindReasoning                 // Text
	KindSignature                 // Text: the signature of the reasoning before it
	KindToolStart                 // Index, ID, Name
	KindToolArgs                  // Index, Text: a piece of the arguments' JSON text
	KindUsage                     // Usage
	KindKeyword                   // Text: the words of a web search (chatnio's keyword)
	KindFinish                    // Finish, Text: the stop sequence for FinishSequence
	KindOpaque                    // Raw only: a frame that means nothing here, such as a ping
	// KindOther is content that has no form here: an image, a sound, another choice than
	// the first. Only an answer that passes through has it; no encoder can say it.
	KindOther
	// KindToolProof is what the server wants back with a call, ID and Index, that has begun:
	// Text is one or several members of its dialect's form of a call. No client is told.
	KindToolProof
)

var kindNames = [...]string{
	KindStart: "start", KindText: "text", KindReasoning: "reasoning", KindSignature: "signature", KindToolStart: "tool",
	KindToolArgs: "args", KindUsage: "usage", KindKeyword: "keyword", KindFinish: "finish", KindOpaque: "opaque",
	KindOther: "other", KindToolProof: "proof",
}

// String returns the name of k, such as text; "none" for the zero value.
func (k Kind) String() string { return nameOf(kindNames[:], int(k)) }

// Content reports whether an event of this kind is part of the answer proper:
// what commits it, and what resets the clocks that wait for content.
func (k Kind) Content() bool {
	return k == KindText || k == KindReasoning || k == KindToolStart || k == KindToolArgs || k == KindOther
}

// Finish says why an answer ended.
type Finish uint8

// The reasons.
const (
	FinishStop     Finish = iota + 1 // the model had finished
	FinishLength                     // a token limit
	FinishTool                       // it waits for results of tool calls
	FinishFilter                     // a content filter or a refusal
	FinishSequence                   // a stop sequence of the client
	FinishSilent                     // it decided not to reply (iagent resp_code 10)
	FinishPause                      // anthropic pause_turn
)

var finishNames = [...]string{
	FinishStop: "stop", FinishLength: "length", FinishTool: "tool", FinishFilter: "filter", FinishSequence: "sequence",
	FinishSilent: "silent", FinishPause: "pause",
}

// String returns the name of f, such as stop; "none" for the zero value.
func (f Finish) String() string { return nameOf(finishNames[:], int(f)) }

// nameOf returns the name that names has of a value of a small type.
func nameOf(names []string, value int) string {
	switch {
	case value < len(names) && names[value] != "":
		return names[value]
	case value == 0:
		return "none"
	}
	return strconv.Itoa(value)
}

// Reason says whether an upstream gave a reason for the end of its answer.
type Reason uint8

// The zero value is of dialects whose servers cannot leave it out, and of answers in one
// piece that have none: these end where they end.
const (
	ReasonUntold  Reason = iota
	ReasonGiven          // it did
	ReasonMissing        // an end mark came alone
	ReasonApart          // it did, and the answer has parts that no event tells, such as an image
)

// Usage counts tokens: totals so far, not differences. A field that nobody
// reported is 0.
type Usage struct {
	Input      int64 // of the question, those read from a cache or written to one included
	Output     int64 // of the answer, reasoning included
	CacheRead  int64 // part of Input: read from a prompt cache
	CacheWrite int64 // part of Input: written to a prompt cache
	Reasoning  int64 // part of Output
	// Sound is how many milliseconds of sound the back end says that it has heard or made, and
	// Images how many pictures it has made; 0: none, or it does not say.
	Sound     int32
	Images    uint16
	Estimated bool // the tokens were counted by us, since nobody reported them
}

// MostSound is more milliseconds of sound than one question can have: a day.
const MostSound = 24 * 60 * 60 * 1000

// SoundOf reads a duration in seconds, also one in quotes, as milliseconds; what is missing or null is
// 0, what can be no duration is NoCount.
func SoundOf(v *fastjson.Value) int32 {
	if v == nil || v.Type() == fastjson.TypeNull {
		return 0
	}
	f, err := number64(v)
	if err != nil || !(f >= 0) {
		return NoCount
	}
	return int32(math.Round(min(f*1000, MostSound+1)))
}

// MaxTokens is more than any model can read or write at once. A count above it is a
// mistake of who reports it, or a lie.
const MaxTokens = 1_000_000_000

// HoldTokens is the most that models hold at once, question and answer together. A
// budget pays so much where a back end claims more than MaxTokens: the claim is not believed, but
// the estimate may be far too low for whoever makes it.
const HoldTokens = 1_000_000

// NoCount stands for something in the place of a count that can be none, such as a
// negative number or a string, until [Usage.Doubt] has seen it.
const NoCount = -1

// CountOf reads a count of tokens, also one in quotes; what is missing or null is 0,
// what can be no count is NoCount.
func CountOf(v *fastjson.Value) int64 {
	if v == nil || v.Type() == fastjson.TypeNull {
		return 0
	}
	f, err := number64(v)
	if err != nil || !(f >= 0) || f != math.Trunc(f) {
		return NoCount
	}
	return int64(min(f, MaxTokens+1))
}

// number64 is a number, which may stand in quotes.
func number64(v *fastjson.Value) (float64, error) {
	if v.Type() == fastjson.TypeString {
		return strconv.ParseFloat(string(v.GetStringBytes()), 64)
	}
	return v.Float64()
}

// Doubt sets every count to 0 that no model can have used, and reports whether there
// was one.
func (u *Usage) Doubt() (found bool) {
	for _, n := range [...]*int64{&u.Input, &u.Output, &u.CacheRead, &u.CacheWrite, &u.Reasoning} {
		if *n < 0 || *n > MaxTokens {
			*n, found = 0, true
		}
	}
	if u.Sound < 0 || u.Sound > MostSound {
		u.Sound, found = 0, true
	}
	return found
}

// Excess reports whether the question or the answer is said to have been longer than
// MaxTokens. Doubt takes that out.
func (u *Usage) Excess() bool { return max(u.Input, u.Output) > MaxTokens }

// Total is Input + Output.
func (u Usage) Total() int64 { return u.Input + u.Output }

// Known reports whether anything was counted.
func (u Usage) Known() bool { return u.Input != 0 || u.Output != 0 }

// Merge takes from v every count that is not 0: the later report of two.
func (u *Usage) Merge(v Usage) {
	u.Sound, u.Images = cmp.Or(v.Sound, u.Sound), cmp.Or(v.Images, u.Images)
	if !v.Known() && v.CacheRead == 0 && v.CacheWrite == 0 && v.Reasoning == 0 {
		return
	}
	take := func(dst *int64, src int64) {
		if src != 0 {
			*dst = src
		}
	}
	take(&u.Input, v.Input)
	take(&u.Output, v.Output)
	take(&u.CacheRead, v.CacheRead)
	take(&u.CacheWrite, v.CacheWrite)
	take(&u.Reasoning, v.Reasoning)
	u.Estimated = v.Estimated
}

// Event is one step of an answer. Kind says which other fields are set.
//
// The byte slices belong to the Stream the event came from. They are valid
// until the next call of Next or Close on it; copy what must live longer.
type Event struct {
	Kind   Kind
	Finish Finish // KindFinish: why the answer ended
	Reason Reason // KindFinish: whether the upstream gave a reason
	Index  int32  // KindTool*: which call of this answer, from 0
	Usage  Usage  // KindUsage, KindFinish, KindStart: totals so far, not differences
	Text   []byte // KindText, KindReasoning, KindToolArgs: the piece, unescaped
	ID     []byte // KindStart: the answer's id; KindToolStart: the call's id
	Name   []byte // KindStart: the model that answers; KindToolStart: the function

	// Raw, if not nil, is the complete frame as the upstream sent it, in the
	// client's own dialect, framing included. Only a passed-through answer has
	// it: then exactly one event of each frame carries it, and the others are
	// not written at all. Kind may be KindOpaque.
	Raw []byte
}

// Stream is an answer in progress. One goroutine uses it. To stop it from
// another, cancel the context it was opened with: a blocked Next then returns.
type Stream interface {
	// Next returns the next event. KindFinish comes exactly once and is
	// followed, possibly after KindUsage and KindOpaque, by io.EOF. An answer
	// that stops without KindFinish is an *Error, never a silent io.EOF.
	Next() (Event, error)
	// Ready reports whether Next would return without waiting. Writers flush
	// when it is false.
	Ready() bool
	// Close releases everything the stream holds. It is safe to call it twice.
	Close() error
}
