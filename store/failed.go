package store

import (
	"errors"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Failed returns what a client is told of err, which a store returned: the
// *translate.Error in it, if there is one, else INTERNAL_ERROR with err as its cause.
func Failed(err error) *translate.Error {
	var known *translate.Error
	if errors.As(err, &known) {
		return known
	}
	return &translate.Error{Code: translate.CodeInternal, Message: "the conversation store failed", Cause: err}
}
