//go:build linux || darwin

package main

import (
	"os"
	"syscall"
	"unsafe"
)

// unechoed makes the terminal f give each key at once and echo none, as [lineEditor] wants it;
// Ctrl-C still interrupts. restore takes that back. The error says that f cannot do it.
func unechoed(f *os.File) (restore func(), err error) {
	var was syscall.Termios
	if err := terminal(f, readSettings, &was); err != nil {
		return nil, err
	}
	is := was
	is.Lflag &^= syscall.ICANON | syscall.ECHO
	is.Cc[syscall.VMIN], is.Cc[syscall.VTIME] = 1, 0
	if err := terminal(f, writeSettings, &is); err != nil {
		return nil, err
	}
	return func() { _ = terminal(f, writeSettings, &was) }, nil
}

func terminal(f *os.File, request uintptr, settings *syscall.Termios) error {
	if _, _, failed := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(settings))); failed != 0 {
		return failed
	}
	return nil
}
