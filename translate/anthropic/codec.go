// Package anthropic is the dialect of Anthropic's messages: POST /v1/messages,
// whole and streamed, and the objects of GET /v1/models. The wire rules are
// those of Anthropic's published API reference.
package anthropic

import "github.com/dragoman-gateway/dragoman/translate"

// Dialect is the anthropic dialect. It holds no state and is safe for concurrent
// use.
var Dialect translate.Dialect = codec{}

// name is the dialect's name in configuration and metrics.
const name = "anthropic"

// Losses lists what this protocol cannot say of the canonical form, in either
// direction. AppendRequest notes the losses of a request with Request.Drop.
var Losses = []string{
	"request: presence, frequency and repetition penalties, seed, log probabilities",
	"request: the response_format json_object, which becomes a line of the system text; the name and description of a json_schema, which is always kept to",
	"request: temperatures above 1, which become 1",
	"request: what the model refuses, by a table of families: a thinking budget, which becomes the nearest effort, temperature, top_p and top_k; the place of a system message amid the conversation",
	"request: names of speakers, the detail of images, and images outside a user's message",
	"request: reasoning without a signature",
	"request: sounds; files that are neither PDF nor text, and ids of files of another vendor",
	"request: anyOf, oneOf and allOf at the top of a tool's schema, whose properties are joined",
	"request: an absent max_tokens, which becomes 4096",
	"request: words of reasoning_effort other than minimal, low, medium, high, xhigh and max",
	"request: reasoning_effort where the conversation forbids thinking: a forced tool, an open tool call or a begun answer",
	"request: temperature, top_k and a low top_p beside reasoning_effort; top_p beside temperature in a question of another dialect",
	"request: stop sequences of nothing but white space",
	"request: names of tools with other characters than letters, digits, _ and -, which get a hash in their place and are put back in the answer",
	"request: characters of call ids other than letters, digits, _ and -, which become _",
	"request: the border between several system messages without cache_control, which are joined with an empty line",
	"request: empty texts, and iagent media references",
	"request: arguments of calls that are no JSON object, which are wrapped as {\"_raw\":\"…\"}",
	"answer: the counts of reasoning tokens",
	"answer: when it was created",
	"answer: the reason silent, which becomes end_turn",
	"answer: the search words of a web search",
	"answer: arguments that are no JSON object, in a whole answer wrapped as {\"_raw\":\"…\"}",
	"answer: citations, and the blocks of tools that the vendor runs itself",
}

// A signature of the canonical form is the vendor's opaque text. Redacted
// thinking, and thinking whose text the vendor keeps back, have nothing but such
// a text; they are written as these marks followed by it, one after the other
// where blocks follow each other. Vendors' texts are base64 and hold no space.
const (
	markRedacted = " redacted_thinking:"
	markThinking = " thinking:"
)

type codec struct{}

// Name returns "anthropic".
func (codec) Name() string { return name }

// maxName is how long the name of a tool may be; it has letters, digits, _ and -.
const maxName = 128

func toldName(name string) string { return translate.PlainName(name, maxName) }
