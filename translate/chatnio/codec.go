// Package chatnio speaks the WebSocket protocol of chatnio (CoAI), both sides,
// and the JSON of its REST calls. It reads what any version of the real server
// and any of its clients write, and writes what all of them can read
// (docs/rules/chatnio.md 7 to 9).
//
// Beside [Dialect] it exports what the socket needs around a question and its
// answer: the first frame ([DecodeAuth], [AppendAuth]), the events of a
// connection ([DecodeFrame], [AppendMask]), the frame that opens a turn
// ([AppendFirst]) and the answers to REST calls ([AppendList] and its like).
package chatnio

import "github.com/dragoman-gateway/dragoman/translate"

// Dialect is chatnio as the gateway knows it. Its requests are never passed
// through, since a turn belongs to the connection it came on: Request.Raw stays
// nil. It is safe for concurrent use.
var Dialect translate.Dialect = dialect{}

// Losses names what the protocol cannot say: what AppendRequest drops, and what
// an answer loses on its way through an [Encoder] and a [Decoder].
var Losses = []string{
	"request: tools and tool_choice; calls and results in the history become readable text",
	"request: response_format, seed, stop, reasoning_effort, logprobs",
	"request: an image becomes a line of text, its detail is lost",
	"request: reasoning in the history, names of speakers, user, group, preset",
	"answer: reasoning and its signature",
	"answer: tool calls",
	"answer: the reason why it ended; every good end is FinishStop",
	"answer: usage; quota is a cost in points",
	"answer: id and model of the upstream; frame 1 carries the conversation's number",
	"error: code and wait, except as text",
}

type dialect struct{}

// Name returns "chatnio".
func (dialect) Name() string { return "chatnio" }

// DecodeRequest reads one chat frame (docs/rules/chatnio.md 4): [DecodeFrame] and
// [Frame.Request]. A frame of another type, and one with an empty message, is a
// validation error; callers that serve a whole connection use DecodeFrame.
func (dialect) DecodeRequest(req *translate.Request, body []byte) error {
	f, err := DecodeFrame(body)
	if err != nil {
		return err
	}
	if f.Type != TypeChat {
		return translate.Invalid("not a chat frame")
	}
	if f.Message == "" {
		return translate.Invalid("message is empty")
	}
	f.Request(req)
	return nil
}

// AppendRequest appends the chat frame that asks the newest message of req; see
// [AppendRequest].
func (dialect) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	return AppendRequest(dst, req)
}

// NewDecoder returns a [*Decoder].
func (dialect) NewDecoder(req *translate.Request) translate.Decoder { return NewDecoder(req) }

// NewEncoder returns an [*Encoder].
func (dialect) NewEncoder(req *translate.Request, h translate.Envelope) translate.Encoder {
	return NewEncoder(req, h)
}
