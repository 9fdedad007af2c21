package front

import (
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// errClientGone ends what is done for a client that has left.
var errClientGone = &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "the client has left"}

// watchAfter is how long an answer must take before its client is watched: a
// quicker one is not worth the read.
const watchAfter = 4 * time.Millisecond
