package store

import (
	"github.com/dragoman-gateway/dragoman/translate"
)

// FailedText is all that a client is told of a fault of a store.
const FailedText = "the conversation store failed"

// Failed returns what a client is told of err, which a store returned: the
// *translate.Error in it, if there is one, else INTERNAL_ERROR with err as its cause.
func Failed(err error) *translate.Error {
	return translate.AsError(err, translate.Error{Code: translate.CodeInternal, Message: FailedText})
}
