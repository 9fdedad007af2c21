//go:build !linux

package conn

import "errors"

// hasEnded is not known where no system call tells the state of a connection.
func hasEnded(int) (ended bool, err error) { return false, errors.ErrUnsupported }
