//go:build !linux && !darwin

package main

import "io"

// sizeOf is how many columns and lines the terminal out has.
func sizeOf(io.Writer) (wide, tall int) { return 80, 24 }
