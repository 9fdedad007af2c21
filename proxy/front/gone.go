package front

import "github.com/dragoman-gateway/dragoman/translate"

// errClientGone ends what is done for a client that has left.
var errClientGone = &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "the client has left"}
