package admin

import (
	"context"
)

// Playground asks the fronts of the gateway as a client of them does. It is safe for
// concurrent use.
type Playground interface {
	// Protocols returns those that it speaks.
	Protocols() []PlayProtocol
	// Ask puts a question and tells of all that goes over the wire, until the answer has
	// ended or ctx has. tell is called by one goroutine at a time, for the last time with an
	// event of kind end. The error says that nothing was asked, and tell was not called.
	Ask(ctx context.Context, q PlayQuestion, tell func(PlayEvent)) error
}

// PlayProtocol is one that a playground speaks.
type PlayProtocol struct {
	Name   string `json:"name"`
	System bool   `json:"system"` // it has a place for a system text
	Names  string `json:"names"`  // what a question names: model, or preset
}

// PlayQuestion is a question to a front.
type PlayQuestion struct {
	Protocol string `json:"protocol"`
	Model    string `json:"model"` // or the preset; empty: what the front takes for granted
	Text     string `json:"text"`
	System   string `json:"system"` // empty: none
}

// PlayEvent is one thing that happened to a question.
type PlayEvent struct {
	// Kind is begun; sent and received, which are messages of the wire without their headers;
	// text, reasoning and tool, which are pieces of the answer as a client reads it; end.
	Kind string  `json:"kind"`
	Ms   float64 `json:"ms"` // since the question was put
	Text string  `json:"text,omitempty"`
	// Of begun: the caller in whose name it is asked.
	Caller string `json:"caller,omitempty"`
	// Of end:
	Result  string `json:"result,omitempty"`  // ok, or the code of the error
	Message string `json:"message,omitempty"` // why it failed
	Finish  string `json:"finish,omitempty"`  // why the answer ended
	ID      string `json:"id,omitempty"`      // of the exchange, to be explained
	Input   int64  `json:"input_tokens,omitempty"`
	Output  int64  `json:"output_tokens,omitempty"`
}
