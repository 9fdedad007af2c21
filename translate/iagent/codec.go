// Package iagent speaks the iagent message format, both sides (docs/rules/iagent.md 1
// to 5). Many users share a connection and every message is whole: there is no
// stream, and one frame is the answer.
//
// A server side reads with [DecodeMessage], answers with the encoder of
// [NewReply], or with [AppendIllegal] and [AppendFailure]. A client side asks
// with [AppendAsk], finds whose answer a frame is with [DecodeReply], and reads
// it with a decoder of [Dialect].
package iagent

import "github.com/dragoman-gateway/dragoman/translate"

// Dialect is iagent as the gateway knows it. Its requests are never passed
// through, since ids and the remote memory's name are ours: Request.Raw stays
// nil. It is safe for concurrent use.
var Dialect translate.Dialect = dialect{}

// Losses names what the protocol cannot say: what AppendAsk drops, and what an
// answer loses between an encoder and a decoder.
var Losses = []string{
	"request: all messages but the newest; whoever calls AppendAsk folds them into it",
	"request: every sampling parameter, max_tokens, stop, seed, response_format, reasoning_effort, logprobs, web",
	"request: tools and tool_choice; calls and results become readable text",
	"request: an image with data; one with a URL becomes a line of text",
	"request: text beside a medium, and media beside text",
	"answer: the pieces it came in; it is collected into one frame",
	"answer: reasoning and its signature, tool calls",
	"answer: the reason why it ended, except that there is none (FinishSilent)",
	"answer: usage, the model that answered, the words of a search",
	"answer: a medium, which is read as the text of its reference",
	"error: everything but the code, the message and the wait, which are text",
}

type dialect struct{}

// Name returns "iagent".
func (dialect) Name() string { return "iagent" }

// DecodeRequest reads a client's message: [DecodeMessage] and [Message.Request].
func (dialect) DecodeRequest(req *translate.Request, body []byte) error {
	m, err := DecodeMessage(body)
	if err != nil {
		return err
	}
	m.Request(req)
	return nil
}

// AppendRequest appends a message with an id and a time that are always the
// same, since it is given none. It shows what a question looks like, in tests and
// tools; a transport, which needs an id to know the answer by, calls [AppendAsk].
func (dialect) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	return AppendAsk(dst, req, "ask", 1, "")
}

// NewDecoder returns a decoder for the one frame that answers a question.
func (dialect) NewDecoder(*translate.Request) translate.Decoder { return &decoder{} }

// NewEncoder returns an encoder that answers whoever req names. It refers to no
// message, which only [NewReply] knows.
func (dialect) NewEncoder(req *translate.Request, h translate.Envelope) translate.Encoder {
	m := Message{ChatType: Private, Sender: req.User, Receiver: req.Preset}
	if req.Group != "" {
		m.ChatType, m.Group = Group, req.Group
	}
	return NewReply(m, h, "", h.Created)
}
