package chatnio

import (
	"errors"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What the texts of error frames begin with (docs/rules/chatnio.md 5.2), in all versions. Those that
// are about models, quotas and keys are known to translate.FromStatus, since gateways of
// this kind say them on their other endpoints as well.
const (
	textNotSigned  = "not authenticated error"
	textNoPrice    = "the price of the model is not set"
	textNoChannel  = "cannot find channel"
	textExhausted  = "channels are exhausted"
	textQuota      = "user quota is not enough"
	textNoResponse = "no response"
	textEmpty      = "empty response"
	textEmptyOld   = "Sorry, I don't understand"
	textStatus     = "request failed with status code: "
	textStatusOld  = "request failed with status: "
)

// classify says what an error frame means, from its text alone: there is nothing
// else (docs/rules/chatnio.md 9.5). The text goes to the log, never to a client, but for what it
// says of the question itself. A gateway of our own kind says its code, see translate.FromText.
func classify(text string) *translate.Error {
	if e := translate.FromText(text); e != nil {
		return e
	}
	switch {
	case begins(text, textNotSigned):
		return denied(text)
	case begins(text, textExhausted):
		return translate.FromCode(translate.CodeUnavailable, cut(text))
	case begins(text, textNoResponse, textEmpty, textEmptyOld):
		return broken("the model gave an empty answer", text)
	case begins(text, textStatus):
		return byStatus(text, text[len(textStatus):])
	case begins(text, textStatusOld):
		return byStatus(text, text[len(textStatusOld):])
	}
	e := byType(text)
	if e.Fault == translate.FaultBroken && begins(text, textNoChannel) {
		return translate.FromCode(translate.CodeUnavailable, cut(text))
	}
	return e
}

// byStatus takes the status that the server's own upstream answered with. A 401
// there is about a key of the server's for this model.
func byStatus(text, rest string) *translate.Error {
	n, _ := strconv.Atoi(rest[:min(3, len(rest))])
	if n < 400 || n > 599 {
		return broken("the model answered with an error", text)
	}
	return translate.FromStatus(n, translate.Refusal{Message: cut(text)}, 0)
}

// byType takes the type that the server puts behind an upstream's message. Whatever that
// was, its status is not said.
func byType(text string) *translate.Error {
	ref := translate.Refusal{Message: cut(text)}
	if at := strings.LastIndex(text, "(type: "); at >= 0 && strings.HasSuffix(text, ")") {
		ref = translate.Refusal{Type: cut(text[at+len("(type: ") : len(text)-1]), Message: cut(strings.TrimSpace(text[:at]))}
	}
	e := translate.InBand(ref)
	if e.Fault == translate.FaultBroken {
		return broken("the model answered with an error", text)
	}
	if e.Fault != translate.FaultRejected {
		e.Upstream.Status = 0 // which is a guess
	}
	return e
}

// denied is the refusal of our key, whatever it is used for.
func denied(text string) *translate.Error {
	e := translate.FromStatus(401, translate.Refusal{Message: cut(text)}, 0)
	e.Upstream.Status, e.Key = 0, true
	return e
}

func broken(message, text string) *translate.Error {
	return translate.Broken(message, errors.New("upstream: "+cut(text)))
}

func begins(text string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}

// cut bounds what of an upstream's text is kept for the log.
func cut(text string) string { return jsonx.Cut(text, 500) }
