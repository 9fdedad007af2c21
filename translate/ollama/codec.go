// Package ollama is the dialect of Ollama's own API: POST /api/chat and POST /api/generate, whole
// and as lines of JSON, and the objects of /api/tags, /api/show and /api/version. The wire rules are
// those of docs/rules/ollama.md.
package ollama

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Dialect is the ollama dialect. It holds no state and is safe for concurrent use. It is a
// [translate.Pather]: the path says whether a body is a chat or a prompt.
var Dialect translate.Dialect = codec{}

// name is the dialect's name in configuration and metrics.
const name = "ollama"

// Losses lists what this protocol cannot say of the canonical form, in either
// direction. AppendRequest notes the losses of a request with Request.Drop.
var Losses = []string{
	"request: tool_choice but for none, which leaves the tools out; parallel_tool_calls, and the strict flag of a tool",
	"request: the end user's id, names of speakers, the detail of images, and marks for a prompt cache",
	"request: images by address or by id, documents that are no text, and sounds",
	"request: signatures of reasoning, redacted reasoning, and the failed mark of a tool's result",
	"request: several text parts of one message, which are joined with newlines",
	"request: the name of a json_schema, and formats other than text, json_object and json_schema",
	"request: efforts other than none, low, medium and high, and a budget of thoughts, which become the nearest of these",
	"request: several choices (n)",
	"request: iagent media references",
	"request: suffix, template, raw and context of a client's prompt, and options of the machine such as num_ctx, unless the question passes through",
	"request: a client's keep_alive, unless the question passes through: no other channel loads models",
	"answer: its id, and signatures of reasoning",
	"answer: which stop sequence ended it, and the reasons tool, sequence, silent and pause, which all become stop",
	"answer: arguments of a call in pieces: it comes whole",
	"answer: arguments that are no JSON object, which are wrapped as {\"_raw\":\"…\"}",
	"answer: tokens read from a prompt cache or written to one, and those of reasoning",
	"answer: the search words of a web search",
	"answer: the durations that the channel tells, unless it passes through: a client is told those of the gateway",
	"answer: log probabilities, several choices, audio and annotations",
	"answer: calls, to a client that sent a prompt",
}

type codec struct{}

// Name returns "ollama".
func (codec) Name() string { return name }

// What the path of a question ends with, behind the address of a server.
const (
	pathChat   = "/api/chat"
	pathPrompt = "/api/generate"
)

// AppendPath implements [translate.Pather]. Only a question that passes through can be a prompt:
// any other one is a chat.
func (codec) AppendPath(dst []byte, req *translate.Request) []byte {
	if req.Prompt && req.PassThrough {
		return append(dst, pathPrompt...)
	}
	return append(dst, pathChat...)
}

// FromPath implements [translate.Pather]. Model and Stream are those of the body.
func (codec) FromPath(req *translate.Request, path, _ string) error {
	req.Prompt = strings.HasSuffix(path, "/generate")
	return nil
}
