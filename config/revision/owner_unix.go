//go:build unix

package revision

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives f the owner of was, which matters where root replaces the file of somebody
// else.
func keepOwner(f *os.File, was fs.FileInfo) error {
	st, ok := was.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
