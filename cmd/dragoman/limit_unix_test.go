//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// limitFiles makes writing beyond n bytes fail, as on a full disk, until the process
// gets SIGUSR1. With 0 bytes nothing can be written at all, as where a disk was made
// read-only. later has it begin with SIGUSR2 instead of now.
func limitFiles(n uint64, later bool) error {
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	limit := before
	limit.Cur = n
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		for is := range told {
			_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, map[os.Signal]*syscall.Rlimit{syscall.SIGUSR1: &before, syscall.SIGUSR2: &limit}[is])
		}
	}()
	if later {
		return nil
	}
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

// limitDescriptors lets the process have n descriptors, and not more by its own choice.
func limitDescriptors(n uint64) error {
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
}
