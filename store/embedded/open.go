package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/store/backend"
	driver "modernc.org/sqlite"
)

// Options of every connection to a file. Writers wait as long for each other. The file
// is not mapped: what was read of it would count as the process's memory for each
// connection, and one that is cut short beneath it would end the process.
const (
	waitBusy = 10 * time.Second
	common   = "?_pragma=busy_timeout(10000)&_pragma=mmap_size(0)"
	// secure_delete zeroes what is removed, and whole pages as well, which its FAST
	// kind leaves as they were: what somebody deleted is in the file no more.
	secure  = "&_pragma=synchronous(FULL)&_pragma=secure_delete(1)"
	writing = common + secure + "&_pragma=temp_store(MEMORY)" +
		"&_pragma=wal_autocheckpoint(1000)&_pragma=journal_size_limit(8388608)&_txlock=immediate"
	// Whoever compacts has no use for a file's copy in memory.
	compacting = common + secure + "&_pragma=temp_store(FILE)"
)

func openSQLite(path string) (*sqlite, error) {
	info, err := place(path)
	if err != nil {
		return nil, err
	}
	if err := peek(path, info); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	name := plain(path)
	writes, err := sql.Open("sqlite", name+writing)
	if err != nil {
		return nil, err
	}
	writes.SetMaxOpenConns(1)
	s := &sqlite{path: path, file: info, writes: writes, ops: backend.NewQueue[*op](), prepared: make(map[string]*sql.Stmt)}
	conn, err := writes.Conn(context.Background())
	if err == nil {
		if err = prepareFile(conn); err != nil {
			err = errors.Join(err, conn.Close())
		}
	}
	if err == nil {
		s.reads, err = sql.Open("sqlite", name+common+"&_pragma=query_only(1)")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), writes.Close())
	}
	s.reads.SetMaxOpenConns(readers)
	s.reads.SetMaxIdleConns(readers)
	s.done.Go(func() { s.write(newSession(conn)) })
	return s, nil
}

// pathOf is the path of a SQLite file.
func pathOf(url string) (string, error) {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return "", errors.New("store: the url must be memory: or sqlite:PATH")
	}
	return path, nil
}

// plain is path as a name that the driver can take neither for a URI nor for options.
func plain(path string) string {
	name := filepath.Clean(path)
	if !filepath.IsAbs(name) {
		name = "." + string(filepath.Separator) + name
	}
	return name
}

// place makes the file where it is missing, readable by its owner only, and
// finds out now whether it can be written.
func place(path string) (os.FileInfo, error) {
	if path == "" || strings.ContainsAny(path, "?#\x00") {
		return nil, errors.New("sqlite: needs the path of a file, without ? and #")
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a folder; want a file in it", path)
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the folder of %s does not exist", path)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot write the database: %w", err)
	}
	info, err = f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if n := links(info); n > 1 {
		return nil, fmt.Errorf("%s is one of %d names (hard links) of one file: what was written last lies beside one name only, so a second one damages it; remove the others, or copy the file", path, n)
	}
	return info, nil
}

// peek looks into an existing file without changing anything in it or beside it, and
// says why it cannot be a store of this program. What it cannot tell, because others
// write at this moment, is found out when the file is opened to be written.
func peek(path string, file os.FileInfo) error {
	if file.Size() == 0 {
		return emptyBeside(path)
	}
	if err := checkMagic(path); err != nil {
		return err
	}
	_, err := formOf(path)
	if foreign := (foreignError("")); errors.As(err, &foreign) {
		return err
	}
	return nil // anything else is told when it is opened to be written
}

// formOf returns how many files of schema the database at path has, and changes nothing.
func formOf(path string) (n int, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	where := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: "mode=ro&_pragma=busy_timeout(10000)"}
	if !strings.HasPrefix(where.Path, "/") {
		where.Path = "/" + where.Path // a Windows volume
	}
	db, err := sql.Open("sqlite", where.String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }() // it only read
	conn, err := db.Conn(context.Background())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	return version(conn)
}

// emptyBeside refuses an empty file with the rest of another database beside it, which
// SQLite would throw away. The rest is looked at first: whoever makes the file at this
// moment writes there last.
func emptyBeside(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	wal, err := os.Stat(real + "-wal")
	if err != nil || wal.Size() == 0 {
		return nil
	}
	if file, err := os.Stat(real); err != nil || file.Size() > 0 {
		return err
	}
	return fmt.Errorf("is empty, but %s-wal is not: it belongs to a database that is gone; move it away, or put the database back", real)
}

// checkMagic reads the first bytes, which every SQLite file has.
func checkMagic(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	if n, err := f.Read(head); err != nil || string(head[:n]) != magic {
		return foreignError("file is not a database of SQLite, or its head is damaged")
	}
	return nil
}

// busy reports whether err says that another connection has the file now.
func busy(err error) bool {
	var fault *driver.Error
	return errors.As(err, &fault) && fault.Code()&0xff == 5
}

// prepareFile makes a new file ready and brings an older one up to date.
func prepareFile(conn *sql.Conn) error {
	ctx := context.Background()
	if _, err := version(conn); err != nil {
		return err
	}
	// Counts for a file without a first page only, which the next step writes.
	if _, err := conn.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
		return err
	}
	// SQLite does not always wait for others here, whatever its timeout is.
	deadline := time.Now().Add(waitBusy)
	for {
		var mode string
		err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return fmt.Errorf("the file system does not allow what SQLite needs (journal mode is %s)", mode)
		}
		if err == nil {
			break
		}
		if !busy(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return migrate(conn)
}
