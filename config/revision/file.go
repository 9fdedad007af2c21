package revision

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// replace puts text in the place of the file path as one step: whoever reads it, also after
// a crash, finds the one or the other. A link stays one, and what it leads to is replaced.
// The file keeps its mode; a new one gets mode.
func replace(path string, text []byte, mode fs.FileMode) error {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	was, err := os.Stat(path)
	if err == nil {
		mode = was.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if was != nil {
		err = keepOwner(f, was)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		_, err = f.Write(text)
	}
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a name that was changed in dir survive a crash of the machine.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// replaceable returns why path cannot be replaced, nil if nothing is known that hinders it.
func replaceable(path string) error {
	if path == "" {
		return errNoFile
	}
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	is, err := os.Stat(path)
	if err != nil {
		return &Refusal{Why: fmt.Sprintf("the configuration file cannot be read: %v", err)}
	}
	// The mode counts for root too: somebody has meant it.
	if is.Mode().Perm()&0o222 == 0 {
		return &Refusal{Why: "the configuration file is read-only: " + path}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return &Refusal{Why: fmt.Sprintf("the folder of the configuration file is read-only: %v", err)}
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
