package codectest

import (
	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Vendor is the suite of a dialect of HTTP with server-sent events, or lines of JSON, whose
// questions and answers can pass through as they are.
type Vendor struct {
	Dialect translate.Dialect
	// Status is the HTTP status with which a client is told of a failure.
	Status func(*translate.Error) int

	// Full makes a question with everything that the dialect can say, with a tool "look";
	// Modes are the ways to choose a tool that it knows.
	Full  func() *translate.Request
	Modes []translate.ToolMode
	// Again changes what Full made, and was put, to what is read of it; nil: it is the same.
	Again func(req *translate.Request)
	// Script makes an answer with everything that the dialect can say.
	Script func() []translate.Event

	// Known are the members of a question whose outline Plain and Any are given.
	Known []string
	// Plain reads a usual question without reflection; it reports false, and leaves the
	// request alone, where the question is not of that kind.
	Plain func(*translate.Request, []byte, jsonx.Outline) bool
	// Any reads every question; once reports whether its members have one reading.
	Any func(req *translate.Request, body []byte, o jsonx.Outline, once bool) error

	// PassedOn is a question of nothing special, of the model m and to be streamed; empty: one
	// that has messages.
	PassedOn string
	// Usual are questions for Plain, which must take the first two. Peeked are questions
	// for a glance.
	Usual, Peeked []string
	// Steady are frames in the middle of a stream that began with Prelude.
	Prelude, Steady []string
	// Alike are pairs of frames, most of which differ in nothing but a text.
	Alike [][2]string
}
