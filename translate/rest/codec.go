// Package rest speaks the Chat API, both sides: a question as JSON, an answer as JSON
// or as server-sent events, and the JSON of its conversation lists. It writes what
// the API's documentation says, and reads what any relative of the documented product
// was ever seen to send (docs/rules/rest.md 2 to 4).
//
// Beside [Dialect] it exports [DecodeAsk] for the fields that are no part of a
// question, and the bodies of the other routes ([AppendList] and its like).
package rest

import "github.com/dragoman-gateway/dragoman/translate"

// Dialect is the Chat API as the gateway knows it. Its requests are never passed
// through, since the other side keeps the conversation: Request.Raw stays nil. It
// is safe for concurrent use.
var Dialect translate.Dialect = dialect{}

// Losses names what the protocol cannot say: what AppendRequest drops, and what
// an answer loses between an encoder and a decoder.
var Losses = []string{
	"request: all messages but the newest; whoever calls AppendRequest folds them into it",
	"request: every sampling parameter, max_tokens, stop, seed, response_format, reasoning_effort, logprobs, web",
	"request: tools and tool_choice; calls and results become readable text",
	"request: an image with data; one with a URL becomes a line of text",
	"request: a model beside the preset",
	"answer: reasoning and its signature",
	"answer: tool calls",
	"answer: the reason why it ended; every good end is FinishStop",
	"answer: what of the usage was cached or spent on reasoning",
	"answer: the model that answered, the words of a search",
	"error: the wait, which is in the header Retry-After",
}

type dialect struct{}

// Name returns "rest".
func (dialect) Name() string { return "rest" }

// DecodeRequest reads the body of POST /api/chat and /api/chat/stream, which are
// the same: [DecodeAsk] and [Ask.Request]. Which of the two it was is for the
// caller to note in req.Stream.
func (dialect) DecodeRequest(req *translate.Request, body []byte) error {
	ask, err := DecodeAsk(body)
	if err != nil {
		return err
	}
	ask.Request(req)
	return nil
}

// AppendRequest appends the body of either route; see [AppendRequest].
func (dialect) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	return AppendRequest(dst, req)
}

// NewDecoder returns a decoder for the data of server-sent events and for whole
// answers.
func (dialect) NewDecoder(*translate.Request) translate.Decoder { return &decoder{} }

// NewEncoder returns an encoder that names h.Talk as the conversation.
func (dialect) NewEncoder(_ *translate.Request, h translate.Envelope) translate.Encoder {
	return &encoder{talk: h.Talk}
}
