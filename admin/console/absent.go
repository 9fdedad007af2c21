//go:build noconsole

package console

import "io/fs"

// built is nil: this binary was built without the page.
func built() fs.FS { return nil }
