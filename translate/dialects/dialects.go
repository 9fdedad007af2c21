// Package dialects is the table of all dialects.
package dialects

import (
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/anthropic"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
	"github.com/dragoman-gateway/dragoman/translate/gemini"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
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
}
