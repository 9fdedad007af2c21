package embedded

import "errors"

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("store: closed")

var errNumber = errors.New("store: a conversation's number is below 1")
