package answercache

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"slices"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Question is what makes two questions the same.
type Question struct {
	Scope    string // who shares the answer
	Model    string
	Messages []translate.Message
	Tools    []translate.Tool
	Choice   translate.ToolChoice
	Params   translate.Params
	Web      bool
}

// Key names the question; ok is false for one that has no exact name.
func (q *Question) Key() (key Key, ok bool) {
	text, err := json.Marshal(q)
	// What is no UTF-8 would look like other text that is none.
	if err != nil || bytes.Contains(text, []byte(`\ufffd`)) {
		return key, false
	}
	return sha256.Sum256(text), true
}

// Answer is one whole answer. It is never changed, and safe for concurrent use.
type Answer struct {
	Dropped string // what was left out of the question, as its client was told

	key    Key
	events []translate.Event
	whole  translate.Answer
}

// NewAnswer returns a copy of a, which has ended, for others; nil if they may not have it,
// since it has not ended by itself, is empty or calls a tool.
func NewAnswer(a *translate.Answer, dropped string) *Answer {
	if a.Finish != translate.FinishStop || a.Empty() || slices.ContainsFunc(a.Parts, isCall) {
		return nil
	}
	k := &Answer{Dropped: dropped, whole: translate.Answer{
		ID: a.ID, Model: a.Model, Parts: slices.Clone(a.Parts), Finish: a.Finish, Sequence: a.Sequence, Keyword: a.Keyword, Usage: a.Usage,
	}}
	for ev := range k.whole.Events {
		k.events = append(k.events, ev)
	}
	return k
}

func isCall(p translate.Part) bool { return p.Kind == translate.PartToolCall }

// Whole returns the answer in one piece. Its parts are the caller's.
func (a *Answer) Whole() translate.Answer {
	whole := a.whole
	whole.Parts = slices.Clone(whole.Parts)
	return whole
}

// Stream returns the answer as it is streamed.
func (a *Answer) Stream() translate.Stream { return &stream{events: a.events} }

// bytes is what a takes of the memory, about; its texts are there twice.
func (a *Answer) bytes() int {
	n := answerBytes
	for i := range a.whole.Parts {
		p := &a.whole.Parts[i]
		n += answerBytes + 2*(len(p.Text)+len(p.Signature))
	}
	return n
}

// stream is an answer as a stream.
type stream struct {
	events []translate.Event
	next   int
}

// Next implements [translate.Stream].
func (s *stream) Next() (translate.Event, error) {
	if s.next == len(s.events) {
		return translate.Event{}, io.EOF
	}
	s.next++
	return s.events[s.next-1], nil
}

// Ready implements [translate.Stream].
func (s *stream) Ready() bool { return true }

// Close implements [translate.Stream].
func (s *stream) Close() error { return nil }
