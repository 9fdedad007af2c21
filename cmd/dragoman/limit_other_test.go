//go:build !unix

package main

import "errors"

// limitFiles is not there on this system.
func limitFiles(uint64, bool) error { return errors.ErrUnsupported }

// limitDescriptors is not there on this system.
func limitDescriptors(uint64) error { return errors.ErrUnsupported }
