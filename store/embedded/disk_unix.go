//go:build linux || darwin || freebsd

package embedded

import "syscall"

// freeOn is how many bytes may still be written on the disk of dir; below 0: nobody knows.
func freeOn(dir string) int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize)
}
