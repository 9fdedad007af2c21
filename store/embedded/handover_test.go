//go:build unix

package embedded

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inherited is the file of l as another process would have it.
func inherited(t *testing.T, l interface{ File() *os.File }) *os.File {
	t.Helper()
	fd, err := syscall.Dup(int(l.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "inherited")
}

func TestALockGoesOverWithItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url, other := "sqlite:"+filepath.Join(dir, "a.db"), "sqlite:"+filepath.Join(dir, "b.db")
	one, err := SQLite.Hold(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := SQLite.Hold(url, inherited(t, one))
	if err != nil {
		t.Fatal(err)
	}
	// The lock of one store is none of another, nor of one in memory.
	elsewhere, err := SQLite.Hold(other, inherited(t, one))
	if err != nil {
		t.Fatal(err)
	}
	inside, err := Memory.Hold("memory:", inherited(t, one))
	if err != nil || inside.File() != nil {
		t.Errorf("in memory: %v", err)
	}
	for _, held := range []string{url, other} {
		if _, err := SQLite.Hold(held, nil); err == nil {
			t.Errorf("a third one gets %s", held)
		}
	}
	if err := one.Close(); err != nil {
		t.Error(err)
	}
	if _, err := SQLite.Hold(url, nil); err == nil {
		t.Error("the end of the one before gives the lock back")
	}
	two.Sign()
	if _, err := SQLite.Hold(url, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(process %d)", os.Getpid())) {
		t.Errorf("who has it is told as %v", err)
	}
	for _, l := range []interface{ Close() error }{two, elsewhere, inside} {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	free, err := SQLite.Hold(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
}

func TestAnOlderFileIsNotBroughtUpToDateBeneathAServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	url := "sqlite:" + path
	one, err := SQLite.Hold(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = one.Close() }()
	st, err := Open(url)
	if err == nil {
		err = st.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	older := forms() - 1
	if _, err := db.Exec(fmt.Sprintf("PRAGMA user_version = %d", older)); err != nil {
		t.Fatal(err)
	}
	if _, err := SQLite.Hold(url, inherited(t, one)); err == nil || !strings.Contains(err.Error(), "older form") {
		t.Errorf("it says %v", err)
	}
	if _, err := SQLite.Hold(url, nil); err == nil {
		t.Error("the one before has lost its lock")
	}
	var is int
	if err := db.QueryRow("PRAGMA user_version").Scan(&is); err != nil || is != older {
		t.Errorf("the file has form %d, %v", is, err)
	}
}
