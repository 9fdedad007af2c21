//go:build !unix

package main

import "os"

// handoverSignals are none: the system has no signal for it.
var handoverSignals []os.Signal
