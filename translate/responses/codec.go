// Package responses is the dialect of OpenAI's Responses API: POST /v1/responses, whole and
// streamed, and the objects under which a stored response is read again. The wire rules are
// those of the types that OpenAI publishes with its libraries; where servers that imitate it
// differ, the decoder takes what they are known to send.
package responses

import "github.com/dragoman-gateway/dragoman/translate"

// Dialect is the responses dialect. It holds no state and is safe for concurrent use.
var Dialect translate.Dialect = codec{}

// name is the dialect's name in configuration and metrics.
const name = "responses"

// Losses lists what this protocol cannot say of the canonical form, in either direction.
// AppendRequest notes the losses of a request with Request.Drop.
var Losses = []string{
	"request: stop sequences, seed, penalties, top_k and log probabilities",
	"request: a bound of the answer below 16 tokens, which becomes 16",
	"request: a thinking budget, which becomes the nearest effort",
	"request: what the model refuses, by a table of families: temperature, top_p, some words of effort",
	"request: several choices (n)",
	"request: cache_control",
	"request: the failed mark of a tool's result",
	"request: names of speakers",
	"request: reasoning that no server of this dialect has sealed",
	"request: images and files in messages of the system or the model, citations, and the context of a file",
	"request: ids of files of another vendor",
	"request: names of tools above 64 characters and ids of calls above 64, which are shortened with a hash and put back in the answer",
	"request: the strict flag of a tool of another dialect whose schema leaves members optional or open",
	"request: iagent media references",
	"answer: which stop sequence ended it, and the reasons silent and pause, which all become completed",
	"answer: the search words of a web search",
	"answer: annotations, log probabilities, and items of tools that the vendor runs, unless the answer passes through",
	"answer: the pieces of a custom tool's input, which comes in one",
}

type codec struct{}

// Name returns "responses".
func (codec) Name() string { return name }

// maxName is how long the name of a tool may be, maxID the id of a call, leastTokens the
// smallest bound of an answer.
const (
	maxName     = 64
	maxID       = 64
	leastTokens = 16
)

func toldName(name string) string { return translate.ShortName(name, maxName) }

func toldID(id string) string { return translate.ShortID(id, maxID) }
