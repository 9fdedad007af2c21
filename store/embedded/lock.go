package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errHeld is what holdFile returns where another process has the lock.
var errHeld = errors.New("is locked")

// Lock says that one server works on a store. The system takes it back when the process
// ends, however it ends: the file that it is on may stay and blocks nobody.
type Lock struct{ file *os.File }

// Hold takes the lock of the store that url names, PATH.lock beside the database: PATH
// with symbolic links followed, so that a file has one lock whatever it is called by.
// The database is made where it is missing. A store in memory has no lock. The error
// names the database and, where it is known, the process that has the lock.
func Hold(url string) (*Lock, error) {
	if url == "memory:" {
		return &Lock{}, nil
	}
	path, err := pathOf(url)
	if err != nil {
		return nil, err
	}
	if _, err := place(path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	l, err := holdPath(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return l, nil
}

// holdPath is Hold for an existing file.
func holdPath(path string) (*Lock, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	name := real + ".lock"
	for range 100 {
		file, err := holdFile(name)
		if errors.Is(err, errHeld) {
			return nil, fmt.Errorf("%s is used by another process%s, which has the lock %s", path, holder(name), name)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot lock %s, which takes a file that may be written beside it: %w", path, err)
		}
		l := &Lock{file: file}
		if !l.there(name) {
			_ = l.Close() // somebody removed it meanwhile, and may lock another one
			continue
		}
		// Only what others are told: the lock is held without it, on a full disk too.
		if file.Truncate(0) == nil {
			_, _ = file.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
		}
		return l, nil
	}
	return nil, fmt.Errorf("cannot lock %s: somebody keeps removing %s", path, name)
}

// there reports whether name is still the file that l has.
func (l *Lock) there(name string) bool {
	mine, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(name)
	return err == nil && os.SameFile(mine, named)
}

// holder is " (process N)", or nothing where the lock does not say so.
func holder(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, 20))
	if err != nil {
		return ""
	}
	pid, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// Close gives the lock back. The file stays: removing it would part those who lock it.
func (l *Lock) Close() error {
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}
