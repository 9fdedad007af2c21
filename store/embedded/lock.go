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
		l.Sign()
		return l, nil
	}
	return nil, fmt.Errorf("cannot lock %s: somebody keeps removing %s", path, name)
}

// Sign implements [store.Lock]. It is only what others are told: the lock is held without it,
// on a full disk too.
func (l *Lock) Sign() {
	if l.file != nil && l.file.Truncate(0) == nil {
		_, _ = l.file.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	}
}

// File implements [store.Lock].
func (l *Lock) File() *os.File { return l.file }

// adopt returns the lock that another process has handed on with file, which it takes over.
// Without an error nil is returned where file is not the lock of what url names.
func adopt(url string, file *os.File) (*Lock, error) {
	l := &Lock{file: file}
	path, err := pathOf(url)
	if err != nil { // it is in memory
		return nil, l.Close()
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil || !l.there(real+".lock") {
		return nil, l.Close()
	}
	if err := sameForm(path); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// sameForm fails where opening the file would bring it up to date, beneath a process that
// writes to it as it is.
func sameForm(path string) error {
	file, err := os.Stat(path)
	if err != nil || file.Size() == 0 {
		return err
	}
	n, err := formOf(path)
	if err == nil && n < forms() {
		err = fmt.Errorf("%s is of an older form (schema %d) than this version makes of it (%d), and the process that hands over cannot go on with that: stop it, then start this one", path, n, forms())
	}
	return err
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
