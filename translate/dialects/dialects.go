// Package dialects is the table of all dialects.
package dialects

import (
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/anthropic"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
	"github.com/dragoman-gateway/dragoman/translate/gemini"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
	"github.com/dragoman-gateway/dragoman/translate/ollama"
	"github.com/dragoman-gateway/dragoman/translate/openai"
	"github.com/dragoman-gateway/dragoman/translate/responses"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// All is every dialect. Tests range over it, so that a new one is tested against
// all others because it is here.
var All = []translate.Dialect{
	chatnio.Dialect,
	rest.Dialect,
	iagent.Dialect,
	openai.Dialect,
	anthropic.Dialect,
	responses.Dialect,
	gemini.Dialect,
	ollama.Dialect,
}

// Endpoints are the paths beside chat of each dialect that has some, by its name. It is never changed.
var Endpoints = map[string][]translate.Endpoint{
	openai.Dialect.Name(): openai.Endpoints,
}

// Losses are what each dialect cannot say, by its name. It is never changed.
var Losses = map[string][]string{
	"chatnio":   chatnio.Losses,
	"rest":      rest.Losses,
	"iagent":    iagent.Losses,
	"openai":    openai.Losses,
	"anthropic": anthropic.Losses,
	"responses": responses.Losses,
	"gemini":    gemini.Losses,
	"ollama":    ollama.Losses,
}

// Statuses are the HTTP statuses with which clients of a dialect are told of a failure, by its name,
// where they differ from those of the catalogue. It is never changed.
var Statuses = map[string]func(*translate.Error) int{
	"openai":    openai.Status,
	"anthropic": anthropic.Status,
	"responses": responses.Status,
	"gemini":    gemini.Status,
	"ollama":    ollama.Status,
}
