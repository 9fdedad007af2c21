package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

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
	ops    *backend.Queue[*op]

	preparing sync.Mutex
	prepared  map[string]*sql.Stmt // of reads, which closes them

	done   sync.WaitGroup
	once   sync.Once
	failed error // of Close
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

// Close implements [store.Store]: what was handed to the writer is still
// written. A second call returns what the first did.
func (s *sqlite) Close() error {
	s.once.Do(func() {
		s.ops.Close()
		s.done.Wait()
		s.failed = errors.Join(s.reads.Close(), s.writes.Close())
	})
	return s.failed
}

// open says whether the store may be read.
func (s *sqlite) open(ctx context.Context) error { return s.ops.Open(ctx) }

// fault returns err of a read as the caller should see it.
func (s *sqlite) fault(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return store.ErrNotFound
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if closed := s.open(ctx); closed != nil {
		return closed
	}
	return fmt.Errorf("store: %w", err)
}
