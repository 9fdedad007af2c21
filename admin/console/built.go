//go:build !noconsole

package console

import (
	"embed"
	"io/fs"
)

//go:embed dist
var dist embed.FS

// built is the folder of the built files.
func built() fs.FS {
	root, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil // no such folder was built: the compiler has refused that already
	}
	return root
}
