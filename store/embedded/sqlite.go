package embedded

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed schema/*.sql
var schema embed.FS

// readers is how many connections read at once. WAL lets them read while the
// writer writes.
const readers = 4

// sqlite keeps everything in one file. Writes go through one goroutine, reads
// through a pool of their own.
type sqlite struct {
	path   string
	file   os.FileInfo // of the file that was opened
	writes *sql.DB     // one connection, which the writer holds
	reads  *sql.DB
	ops    chan *op

	preparing sync.Mutex
	prepared  map[string]*sql.Stmt // of reads, which closes them

	mu     sync.RWMutex // held for reading while an op is handed over
	closed bool
	done   sync.WaitGroup
	once   sync.Once
	failed error // of Close
}

func openSQLite(path string) (*sqlite, error) {
	info, err := place(path)
	if err != nil {
		return nil, err
	}
	// A name that the driver can take neither for a URI nor for options.
	name := filepath.Clean(path)
	if !filepath.IsAbs(name) {
		name = "." + string(filepath.Separator) + name
	}
	const common = "?_pragma=busy_timeout(10000)&_pragma=mmap_size(268435456)"
	writes, err := sql.Open("sqlite", name+common+
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	writes.SetMaxOpenConns(1)
	s := &sqlite{path: path, file: info, writes: writes, ops: make(chan *op, 4*batch), prepared: make(map[string]*sql.Stmt)}
	conn, err := writes.Conn(context.Background())
	if err == nil {
		if err = migrate(conn); err != nil {
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
	s.done.Go(func() { s.write(&session{conn: conn, prepared: map[string]*sql.Stmt{}}) })
	return s, nil
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
	return info, errors.Join(err, f.Close())
}

// present says whether the file that was opened is still the one at its path:
// what is written to a file without a name is lost.
func (s *sqlite) present() error {
	info, err := os.Stat(s.path)
	if err != nil || !os.SameFile(info, s.file) {
		return fmt.Errorf("store: the database file %s was removed or replaced while it was open", s.path)
	}
	return nil
}

// migrate brings the schema up to date, one transaction for each file of
// schema. user_version is the number of the last one.
func migrate(conn *sql.Conn) error {
	ctx := context.Background()
	var version, tables int
	if err := conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	if version == 0 && tables > 0 {
		return errors.New("is the database of another program")
	}
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return err
	}
	if version > len(files) {
		return fmt.Errorf("was written by a newer version of this program (schema %d, this one knows %d)", version, len(files))
	}
	for i := version; i < len(files); i++ {
		text, err := schema.ReadFile(files[i])
		if err != nil {
			return err
		}
		step := fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA user_version = %d; COMMIT", text, i+1)
		if _, err := conn.ExecContext(ctx, step); err != nil {
			_, undo := conn.ExecContext(ctx, "ROLLBACK")
			return errors.Join(fmt.Errorf("schema %d: %w", i+1, err), undo)
		}
	}
	return nil
}

// Close implements [store.Store]: what was handed to the writer is still
// written. A second call returns what the first did.
func (s *sqlite) Close() error {
	s.once.Do(func() {
		s.mu.Lock()
		s.closed = true
		close(s.ops)
		s.mu.Unlock()
		s.done.Wait()
		s.failed = errors.Join(s.reads.Close(), s.writes.Close())
	})
	return s.failed
}

// open says whether the store may be read.
func (s *sqlite) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	return nil
}

// fault returns err of a read as the caller should see it.
func (s *sqlite) fault(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return errNotFound
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if closed := s.open(ctx); closed != nil {
		return closed
	}
	return fmt.Errorf("store: %w", err)
}
