//go:build !unix

package conn

// RaiseDescriptors does nothing where the system has no such limit.
func RaiseDescriptors() (was, is int) { return 0, 0 }

// Descriptors is 0: there is no such limit.
func Descriptors() int { return 0 }
