//go:build !linux && !darwin

package main

import (
	"errors"
	"os"
)

// unechoed would make a terminal give each key at once.
func unechoed(*os.File) (restore func(), err error) { return nil, errors.ErrUnsupported }
