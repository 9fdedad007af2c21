package chatnio

import (
	"errors"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What the texts of error frames begin with (chatnio.md 5.2), in all versions.
const (
	textNotSigned  = "not authenticated error"
	textNoPrice    = "the price of the model is not set"
	textNoChannel  = "cannot find channel"
	textExhausted  = "channels are exhausted"
	textCost       = "estimated cost exceeds user quota"
	textQuota      = "user quota is not enough"
	textQuotaOld   = "You don't have enough quota"
	textNoResponse = "no response"
	textEmpty      = "empty response"
	textEmptyOld   = "Sorry, I don't understand"
	textStatus     = "request failed with status code: "
	textStatusOld  = "request failed with status: "
)

// classify says what an error frame means, from its text alone: there is nothing
// else (chatnio.md 9.5). The text goes to the log, never to a client. A gateway
// of our own kind says its code, see translate.FromText.
func classify(text string) *translate.Error {
	if e := translate.FromText(text); e != nil {
		return e
	}
	switch {
	case begins(text, textNotSigned, textCost, textQuota, textQuotaOld):
		return denied(text)
	case begins(text, textNoPrice):
		return translate.FromStatus(404, translate.Refusal{Code: "model_not_found", Message: cut(text)}, 0)
	case begins(text, textNoChannel, textExhausted):
		return translate.FromCode(translate.CodeUnavailable, cut(text))
	case begins(text, textNoResponse, textEmpty, textEmptyOld):
		return broken("the model gave an empty answer", text)
	case begins(text, textStatus):
		return byStatus(text, text[len(textStatus):])
	case begins(text, textStatusOld):
		return byStatus(text, text[len(textStatusOld):])
	}
	return byType(text)
}

// byStatus takes the status that the server's own upstream answered with. A 401
// there is about the server's key, not about ours.
func byStatus(text, rest string) *translate.Error {
	n, _ := strconv.Atoi(rest[:min(3, len(rest))])
	if n < 400 || n > 599 || n == 401 || n == 403 {
		return broken("the model answered with an error", text)
	}
	return translate.FromStatus(n, translate.Refusal{Message: cut(text)}, 0)
}

// byType takes the type that the server puts behind an upstream's message.
func byType(text string) *translate.Error {
	at := strings.LastIndex(text, "(type: ")
	if at < 0 || !strings.HasSuffix(text, ")") {
		return broken("the model answered with an error", text)
	}
	kind := text[at+len("(type: ") : len(text)-1]
	ref := translate.Refusal{Type: cut(kind), Message: cut(strings.TrimSpace(text[:at]))}
	switch kind {
	case "rate_limit_error", "rate_limit_exceeded", "overloaded_error", "429":
		return onSocket(429, ref)
	case "invalid_request_error":
		if begins(text, "Incorrect API key", "Invalid API key") {
			break // the server's key for its own upstream: not the question's fault
		}
		return onSocket(400, ref)
	case "request_too_large":
		return onSocket(413, ref)
	case "timeout_error":
		return onSocket(504, ref)
	}
	return broken("the model answered with an error", text)
}

// onSocket is what status would mean, of a refusal that came without one.
func onSocket(status int, ref translate.Refusal) *translate.Error {
	e := translate.FromStatus(status, ref, 0)
	e.Upstream.Status = 0
	return e
}

func denied(text string) *translate.Error {
	return onSocket(401, translate.Refusal{Message: cut(text)})
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
