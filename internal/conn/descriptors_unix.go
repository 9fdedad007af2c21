//go:build unix

package conn

import (
	"math"
	"syscall"
)

// RaiseDescriptors raises the limit of descriptors that the process may have open to
// the highest one that it may choose for itself, and returns what the limit was and
// is; 0: it is not known.
func RaiseDescriptors() (was, is int) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0, 0
	}
	was = count(uint64(limit.Cur))
	if limit.Cur < limit.Max {
		raised := limit
		raised.Cur = raised.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised)
	}
	return was, Descriptors()
}

// Descriptors is how many descriptors the process may have open; 0: it is not known.
func Descriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return count(uint64(limit.Cur))
}

func count(n uint64) int { return int(min(n, math.MaxInt)) }
