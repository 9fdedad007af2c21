//go:build unix

package main

import (
	"os"
	"syscall"
)

// handoverSignals are those at which serve hands over.
var handoverSignals = []os.Signal{syscall.SIGUSR2}
