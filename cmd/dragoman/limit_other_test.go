//go:build !unix

package main

import "errors"

// limitFiles is not there on this system.
func limitFiles(uint64) error { return errors.ErrUnsupported }
