package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dragoman-gateway/dragoman/store"
)

// enough is an error where there is too little room.
func enough(r *store.Room) error {
	if r.Free < 0 || r.Free >= r.Needs {
		return nil
	}
	return fmt.Errorf("compacting needs %d bytes on the disk of %s, where %d are free; nothing was changed", r.Needs, filepath.Dir(r.Path), r.Free)
}

// Compact writes the file that url names anew, without what was deleted from it, and
// makes it one that gives free pages back by itself, see [Open]. It takes the lock that
// [Hold] takes, so no server may run on the file. tell, which is called once, hears what
// it is going to do before anything is changed. Where the disk has no room for it, where
// ctx ends or anything fails, the file stays as it was. after is the length of the file.
func Compact(ctx context.Context, url string, tell func(store.Room)) (after int64, err error) {
	if url == "memory:" {
		return 0, errors.New("store: memory: has no file")
	}
	path, err := pathOf(url)
	if err != nil {
		return 0, err
	}
	// Nothing is made here, unlike by all others.
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("store: there is no %s", path)
	}
	hold, err := Hold(url)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, hold.Close()) }()
	if after, err = compact(ctx, path, tell); err != nil {
		return 0, fmt.Errorf("store: %s: %w", path, err)
	}
	return after, nil
}

func compact(ctx context.Context, path string, tell func(store.Room)) (after int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if err := peek(path, info); err != nil {
		return 0, err
	}
	db, err := sql.Open("sqlite", plain(path)+compacting)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if n, err := version(conn); err != nil {
		return 0, err
	} else if n == 0 {
		return 0, errors.New("is empty")
	}
	if err := emptyTheLog(ctx, conn); err != nil {
		return 0, err
	}
	room, err := roomFor(ctx, conn, path)
	if err != nil {
		return 0, err
	}
	tell(room)
	if err := enough(&room); err != nil {
		return 0, err
	}
	// The copy is made where the room was looked for, not in a folder for such files
	// that may be in memory.
	for _, step := range []string{
		"PRAGMA temp_store_directory = '" + strings.ReplaceAll(filepath.Dir(room.Path), "'", "''") + "'",
		"PRAGMA auto_vacuum = INCREMENTAL", "VACUUM", "PRAGMA temp_store_directory = ''",
	} {
		if _, err := conn.ExecContext(ctx, step); err != nil {
			return 0, err
		}
	}
	if err := emptyTheLog(ctx, conn); err != nil {
		return 0, err
	}
	if info, err = os.Stat(path); err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// roomFor finds out what compacting takes: a copy of what is used, and the log through
// which that becomes the file.
func roomFor(ctx context.Context, conn *sql.Conn, path string) (r store.Room, err error) {
	if r.Path, err = filepath.EvalSymlinks(path); err != nil {
		return r, err
	}
	if r.Path, err = filepath.Abs(r.Path); err != nil {
		return r, err
	}
	var pages, free, size int64
	err = conn.QueryRowContext(ctx, "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size").Scan(&pages, &free, &size)
	if err != nil {
		return r, err
	}
	r.Before, r.Used = pages*size, (pages-free)*size
	r.Needs = 2*r.Used + r.Used/50 + 1<<20
	r.Free = freeOn(filepath.Dir(r.Path))
	return r, nil
}
