package proxy

import (
	"errors"
	"io"

	"github.com/dragoman-gateway/dragoman/translate"
)

// typed returns err as the *translate.Error that every upstream promises.
func typed(err error) *translate.Error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return translate.Truncated(err)
	}
	return translate.AsError(err, translate.Error{Code: translate.CodeModel, Fault: translate.FaultBroken, Message: "the model's answer could not be read"})
}

func slow(message string) *translate.Error {
	return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultSlow, Timeout: true, Message: message}
}

var errEmpty = translate.Broken("the model gave an empty answer", nil)

// errNoReason is why an end mark is none.
var errNoReason = errors.New("the end mark came without a finish_reason, which this model gives")
