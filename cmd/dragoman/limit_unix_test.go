//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// limitFiles makes writing beyond n bytes fail, as on a full disk.
func limitFiles(n uint64) error {
	signal.Ignore(os.Signal(syscall.SIGXFSZ))
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n})
}
