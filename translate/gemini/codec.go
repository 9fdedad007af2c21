// Package gemini is the dialect of Google's Gemini API: models/{model}:generateContent,
// :streamGenerateContent and :countTokens, and the objects of GET /v1beta/models. The wire
// rules are those of docs/rules/gemini.md.
//
// Names of members are read as Google's parser reads them, in camel case and in snake case, and
// one value may stand for a list of one.
package gemini

import "github.com/dragoman-gateway/dragoman/translate"

// Dialect is the gemini dialect. It holds no state and is safe for concurrent use. It is a
// [translate.Pather].
var Dialect translate.Dialect = codec{}

// name is the dialect's name in configuration and metrics.
const name = "gemini"

// Losses lists what this protocol cannot say of the canonical form, in either
// direction. AppendRequest notes the losses of a request with Request.Drop.
var Losses = []string{
	"request: the end user's id, names of speakers, the detail of images, and marks for a prompt cache",
	"request: parallel_tool_calls, and the strict flag of a tool",
	"request: repetition_penalty, several choices (n) unless the question passes through, and more than five stop sequences",
	"request: the name of a json_schema, and formats other than text, json_object and json_schema",
	"request: reasoning of earlier turns, unless the question itself came in this dialect, and its signatures but for those of calls",
	"request: the place of a system message amid the conversation, which goes to the system instruction",
	"request: images outside a user's message but for those of a tool's result, citations, and the context of a file",
	"request: files by address whose ending names no type, and ids of files of another vendor",
	"request: calls without a result and results without a call, which become a line of text",
	"request: names of tools above 64 characters, or with other characters than letters, digits, _ and -, which get a hash and are put back in the answer",
	"request: what the model refuses, by a table of families: thoughts, or a budget, which becomes the nearest level",
	"request: whether thoughts are shown (includeThoughts): they are asked for with every effort or budget",
	"request: iagent media references",
	"answer: when it was created",
	"answer: signatures of thoughts and texts; those of calls are kept here, by caller and id of the call",
	"answer: which stop sequence ended it, and the reasons tool, sequence, silent and pause, which all become STOP",
	"answer: arguments of a call in pieces: it comes whole",
	"answer: arguments that are no JSON object, which are wrapped as {\"_raw\":\"…\"}",
	"answer: the search words of a web search, and tokens written to a prompt cache",
	"answer: citations, grounding, ratings, log probabilities, several candidates, images, and code that the vendor runs itself",
}

type codec struct{}

// Name returns "gemini".
func (codec) Name() string { return name }

// maxName is how long the name of a function may be.
const maxName = 64

func toldName(name string) string { return translate.PlainName(name, maxName) }
