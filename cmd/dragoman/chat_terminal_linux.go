package main

import "syscall"

// How the settings of a terminal are read and written.
const (
	readSettings  = syscall.TCGETS
	writeSettings = syscall.TCSETS
)
