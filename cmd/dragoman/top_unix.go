//go:build linux || darwin

package main

import (
	"io"
	"os"
	"syscall"
	"unsafe"
)

// sizeOf is how many columns and lines the terminal out has; 80 and 24 where it does not tell.
func sizeOf(out io.Writer) (wide, tall int) {
	f, ok := out.(*os.File)
	if !ok {
		return 80, 24
	}
	var size struct{ rows, columns, x, y uint16 }
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	if failed != 0 || size.rows == 0 || size.columns == 0 {
		return 80, 24
	}
	return int(size.columns), int(size.rows)
}
