// Package openai is the dialect of OpenAI's chat completions: POST
// /v1/chat/completions, whole and streamed, and the objects of GET /v1/models.
// The wire rules are those of OpenAI's published API reference; where servers
// that imitate it differ, the decoder takes what they are known to send.
package openai

import (
	"github.com/dragoman-gateway/dragoman/translate"
)

// Dialect is the openai dialect. It holds no state and is safe for concurrent
// use.
var Dialect translate.Dialect = codec{}

// name is the dialect's name in configuration and metrics.
const name = "openai"

// Losses lists what this protocol cannot say of the canonical form, in either
// direction. AppendRequest notes the losses of a request with Request.Drop.
var Losses = []string{
	"request: cache_control of tools, and of parts but for texts of a question in this dialect",
	"request: signatures of reasoning, and redacted reasoning",
	"request: reasoning of earlier turns, unless the question itself came in this dialect, or it led to calls and the channel thinks",
	"request: the failed mark of a tool's result",
	"request: a thinking budget, which becomes the nearest reasoning_effort",
	"request: several text parts of one message, which are joined with newlines unless there is an image among them",
	"request: images and files in anything but a user's message (images also in a result of a tool of this dialect), documents by address, ids of files of another vendor",
	"request: citations, and the context of a file",
	"request: names of tools above 64 characters, which are shortened with a hash and put back in the answer",
	"request: ids of calls above 40 characters for OpenAI's models, which become a hash",
	"request: top_k and repetition_penalty, unless the question itself came in this dialect",
	"request: several choices (n), unless the question passes through",
	"request: the strict flag of a tool of another dialect whose schema leaves members optional or open",
	"request: more than four stop sequences",
	"request: what the model refuses, by a table of families: reasoning_effort or some of its words, temperature, top_p, penalties, stop, log probabilities",
	"request: iagent media references",
	"answer: signatures of reasoning, and redacted reasoning",
	"answer: the place of reasoning between texts and tool calls of a whole answer",
	"answer: which stop sequence ended it, and the reasons silent and pause, which all become stop",
	"answer: tokens written to a prompt cache",
	"answer: the search words of a web search",
	"answer: calls after the first, to a client that knows functions only",
	"answer: log probabilities, several choices, audio and annotations",
}

type codec struct{}

// Name returns "openai".
func (codec) Name() string { return name }

// maxName is how long the name of a function may be, maxID the id of a call for a model
// of OpenAI's ("string too long. Expected a string with maximum length 40"). Models of others read
// something in their ids.
const (
	maxName = 64
	maxID   = 40
)
